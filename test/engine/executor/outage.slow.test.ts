import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createEngine, createGate, nextEvent } from '../../support/engine.ts'
import { useProxiedEngines } from '../../support/proxied-engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const proxied = useProxiedEngines()

describe('outage', () => {
  test('handlers go on; what they finished meanwhile is written once, as attempt 1, when the database is back', async () => {
    const { task } = createTaskRegistry()
    const away = createGate()
    const work = task('work')(async (_params, ctx) => {
      await away.opened
      ctx.log.info('finished during the outage')
      return 'done'
    })
    const { manager, executor, events } = proxied.create([work], { concurrency: 8 })
    executor.start()
    const created = await manager.createTasks(Array.from({ length: 8 }, () => ({ task: work })))
    await expect.poll(async () => (await manager.listTasks({ status: ['running'] })).total).toBe(8)
    const failedLoops: string[] = []
    events.on('loopFailed', ({ loop }) => failedLoops.push(loop))
    const delayed = nextEvent(events, 'writeDelayed')
    proxied.proxy.set('reset')
    away.open()
    await delayed
    proxied.proxy.set('none')
    for (const { taskId } of created) {
      const ended = await manager.waitFor(taskId)
      expect(ended).toMatchObject({ status: 'completed', retryCount: 0, result: 'done' })
      expect(ended.attempts).toMatchObject([{ attempt: 1, outcome: 'completed' }])
      expect(await manager.listLogs(taskId)).toMatchObject({ total: 1 })
    }
    // Once an outage, not once a try.
    expect(new Set(failedLoops).size).toBe(failedLoops.length)
    await expect.poll(() => executor.health()).toMatchObject({ ok: true })
  })

  test('a connection whose packets vanish is given up, and another one goes on', async () => {
    const { task } = createTaskRegistry()
    const finish = createGate()
    const work = task('work')(async () => {
      await finish.opened
      return 'done'
    })
    const { manager, executor, events } = proxied.create([work], { leaseMs: 1_000, heartbeatIntervalMs: 200 })
    executor.start()
    const started = nextEvent(events, 'started')
    const { taskId } = await manager.createTask(work)
    await started
    const beatFailed = nextEvent(events, 'loopFailed', ({ loop }) => loop === 'heartbeat')
    const delayed = nextEvent(events, 'writeDelayed')
    proxied.proxy.set('silence')
    finish.open()
    await Promise.all([beatFailed, delayed])
    proxied.proxy.set('none')
    expect(await manager.waitFor(taskId)).toMatchObject({
      status: 'completed',
      result: 'done',
      retryCount: 0,
    })
    await expect.poll(() => executor.health()).toMatchObject({ ok: true })
  })

  test('a loop that dies is restarted, as health shows', async () => {
    const { task } = createTaskRegistry()
    const noop = task('noop')(() => {})
    const { manager, executor, events } = proxied.create([noop])
    await proxied.database.pool.query('alter table async_tasks rename to hidden')
    const failed = nextEvent(events, 'loopFailed', ({ loop }) => loop === 'poller')
    executor.start()
    await failed
    await expect
      .poll(() => executor.health().loops.find(({ loop }) => loop === 'poller'))
      .toMatchObject({ lastError: expect.stringContaining('async_tasks') })
    const recovered = nextEvent(events, 'loopRecovered', ({ loop }) => loop === 'poller')
    await proxied.database.pool.query('alter table hidden rename to async_tasks')
    await recovered
    const { taskId } = await manager.createTask(noop)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
  })

  test('a completion whose response is lost counts as written, not as late', async () => {
    const { task } = createTaskRegistry()
    const finish = createGate()
    const work = task('work')(async () => {
      await finish.opened
      return 'once'
    })
    const { manager, executor, events } = proxied.create([work])
    executor.start()
    const started = nextEvent(events, 'started')
    const { taskId } = await manager.createTask(work)
    await started
    let late = 0
    events.on('late', () => {
      late += 1
    })
    const dropped = proxied.proxy.dropAnswerTo('width_bucket')
    const ended = nextEvent(events, 'ended')
    finish.open()
    await dropped
    expect(await ended).toMatchObject({ taskId, outcome: 'completed' })
    expect(late).toBe(0)
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'completed', result: 'once' })
  })

  test('an end whose connection the system has closed is written again, and its handler runs once', async () => {
    const { task } = createTaskRegistry()
    let runs = 0
    const work = task('work', { retryBaseMs: 0 })(() => {
      runs += 1
    })
    let failures = 0
    const pool = slowPool(proxied.database.pool, ({ text }, send) => {
      const code = ['ECONNABORTED', 'ENETRESET', 'EPROTO'][failures]
      if (!text.includes('/* tasks_complete') || code === undefined) return send()
      failures += 1
      return Promise.reject(Object.assign(new Error(`read ${code}`), { code, syscall: 'read' }))
    })
    const { manager, executor } = createEngine({ ...proxied.database, pool }, [work])
    executor.start()
    try {
      const { taskId } = await manager.createTask(work)
      expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', retryCount: 0 })
      expect({ runs, failures }).toEqual({ runs: 1, failures: 3 })
    } finally {
      await executor.stop()
    }
  })

  test('a retry whose response is lost is spent once', async () => {
    const { task } = createTaskRegistry()
    const flaky = task('flaky', { retryBaseMs: 3_600_000 })(() => {
      throw new Error('no')
    })
    const { manager, executor, events } = proxied.create([flaky])
    const dropped = proxied.proxy.dropAnswerTo('retry_count = retry_count + ')
    const ended = nextEvent(events, 'ended')
    executor.start()
    const { taskId } = await manager.createTask(flaky)
    await dropped
    expect(await ended).toMatchObject({ outcome: 'failed', retryInMs: 3_600_000 })
    expect(await manager.getTask(taskId)).toMatchObject({
      status: 'pending',
      retryCount: 1,
      attempts: [{ attempt: 1 }],
    })
  })

  test.each(['the response is lost', 'its handler returns during an outage'])(
    'a task whose handler ignores its timeout has one end if %s',
    async (what) => {
      const { task } = createTaskRegistry()
      const leave = createGate()
      const deaf = task('deaf', { timeoutSeconds: 1, maxRetries: 3 })(() => leave.opened)
      const { manager, executor, events } = proxied.create([deaf], { cancelGraceMs: 50 })
      const ends: unknown[] = []
      events.on('ended', (event) => ends.push(event))
      const isLost = what === 'the response is lost'
      const failed = isLost ? proxied.proxy.dropAnswerTo('follow_up_params as') : nextEvent(events, 'ended')
      executor.start()
      const { taskId } = await manager.createTask(deaf)
      await failed
      if (!isLost) proxied.proxy.set('reset')
      const delayed = isLost ? undefined : nextEvent(events, 'writeDelayed')
      leave.open()
      await delayed
      proxied.proxy.set('none')
      await expect.poll(() => isStopping(taskId)).toBe(false)
      expect(ends).toMatchObject([
        { taskId, outcome: 'timed_out', error: expect.stringContaining('did not') },
      ])
      expect(await manager.getTask(taskId)).toMatchObject({ status: 'failed', attempts: [{ attempt: 1 }] })
    },
  )

  test('a failure whose response is lost has one follow-up', async () => {
    const { task } = createTaskRegistry()
    const alert = task('alert')(() => {})
    const fails = task('fails', { maxRetries: 0, onFailed: alert })(() => {
      throw new Error('no')
    })
    const { manager, executor, events } = proxied.create([fails, alert])
    const dropped = proxied.proxy.dropAnswerTo('follow_up_params as')
    const followed = nextEvent(events, 'ended', ({ taskType }) => taskType === 'alert')
    executor.start()
    const { taskId } = await manager.createTask(fails)
    await dropped
    expect(await followed).toMatchObject({ outcome: 'completed' })
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed', attempts: [{ attempt: 1 }] })
    expect(await manager.listTasks({ taskType: 'alert' })).toMatchObject({ total: 1 })
  })

  test('a claim whose response is lost is released and runs again, no retry spent', async () => {
    const { task } = createTaskRegistry()
    const attempts: number[] = []
    const work = task('work')((_params, ctx) => {
      attempts.push(ctx.attempt)
    })
    const { manager, executor } = proxied.create([work], { heartbeatIntervalMs: 100, leaseMs: 60_000 })
    const { taskId } = await manager.createTask(work)
    const dropped = proxied.proxy.dropAnswerTo("set status = 'running', attempt = ")
    executor.start()
    await dropped
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', retryCount: 0 })
    expect(attempts).toEqual([2])
  })

  test('a claim whose response is lost holds no permit once its task is cancelled', async () => {
    const { task } = createTaskRegistry()
    const work = task('work', { globalConcurrency: 1 })(() => {})
    // The next heartbeat comes after the cancel.
    const { manager, executor } = proxied.create([work], { heartbeatIntervalMs: 3_000, leaseMs: 60_000 })
    const { taskId } = await manager.createTask(work)
    const dropped = proxied.proxy.dropAnswerTo('version_raised as')
    executor.start()
    await dropped
    expect(await manager.cancelTask(taskId)).toMatchObject({ status: 'cancelled', stopping: true })
    const next = await manager.createTask(work)
    expect(await manager.waitFor(next.taskId, { timeoutMs: 60_000 })).toMatchObject({ status: 'completed' })
    expect(await manager.retryTask(taskId)).toMatchObject({ status: 'pending' })
  })

  test.for(['reset', 'silence'] as const)(
    'a stop ends in time with the database gone (%s), and rejects',
    async (fault) => {
      const { task } = createTaskRegistry()
      const started = createGate()
      const finish = createGate()
      const work = task('work')(async () => {
        started.open()
        await finish.opened
      })
      const { manager, executor } = proxied.create([work], { shutdownTimeoutMs: 1_000 })
      executor.start()
      await manager.createTask(work)
      await started.opened
      proxied.proxy.set(fault)
      finish.open()
      await expect(executor.stop()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
      proxied.forget()
    },
  )

  async function isStopping(taskId: string): Promise<boolean | undefined> {
    const { rows } = await proxied.database.pool.query(
      'select stopping from async_tasks where task_id = $1',
      [taskId],
    )
    return rows[0]?.stopping
  }
})
