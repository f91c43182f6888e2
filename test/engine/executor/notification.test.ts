import { once } from 'node:events'
import pg from 'pg'
import { describe, expect, test, vi } from 'vitest'
import { createPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { partsOf } from '../../../src/engine/create/manager-parts.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { TaskManager } from '../../../src/engine/manager/manager.ts'
import { decodeNotification, encodeNotification, Notifier } from '../../../src/engine/notify/notifications.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { CHANNEL } from '../../../src/engine/store/notify.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()
/** Without a hint nothing would be found within the time of a test. */
const deafOtherwise = { pollIntervalMs: 60_000, heartbeatIntervalMs: 60_000, leaseMs: 600_000 }
const hears = { hears: true }

describe('notifications', () => {
  test('wake an idle executor in another process', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => 'done')
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(worker)
    const other = engines.create([work], deafOtherwise, hears)
    for (let i = 0; i < 20; i += 1) {
      const ended = nextEvent(worker.events, 'ended')
      const { taskId } = await other.manager.createTask(work)
      expect(await ended).toMatchObject({ taskId })
    }
  })

  test('leave with the commit of the tasks, and not too often; the last task is told of, too', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager } = engines.create([work], deafOtherwise, hears)
    const client = new pg.Client({ connectionString: engines.database.directUrl })
    try {
      await client.connect()
      const heard = once(client, 'notification')
      await client.query(`listen ${CHANNEL}`)
      const { pool } = engines.database
      const textsOf = (calls: readonly unknown[][]) =>
        calls.map(([config]) => (config as { text: string }).text)
      const tells = (text: string) => text.includes('pg_notify')
      const inserts = (text: string) => /insert into \S*async_tasks /.test(text)
      const from = performance.now()
      const statements = await captureStatements(pool, async () => {
        await manager.createTask(work)
        await heard
        for (let i = 0; i < 50; i += 1) await manager.createTask(work)
        const sent = () => textsOf(vi.mocked(pool.query).mock.calls)
        await expect.poll(() => sent().findLastIndex(tells) >= sent().findLastIndex(inserts)).toBe(true)
      })
      const telling = statements.map(({ text }) => text).filter(tells)
      expect(telling[0]).toBe(statements[0]?.text)
      expect(telling.filter(inserts).length).toBeGreaterThan(0)
      expect(telling.length).toBeLessThanOrEqual(5 + (performance.now() - from) / 10 + 1)
    } finally {
      await client.end()
    }
  })

  test('that PostgreSQL has no room for are left out: the task is created all the same', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    await engines.database.pool.query(
      `create function public.pg_notify(text, text) returns void language plpgsql as
         $$ begin raise 'too many notifications in the NOTIFY queue' using errcode = '54000'; end $$`,
    )
    const url = new URL(engines.database.directUrl)
    url.searchParams.set('options', '-c search_path=public,pg_catalog')
    const pool = createPool({ connectionString: url.href, max: 2 })
    try {
      const db = createDatabase(pool, { prepared: true })
      const { manager, events } = engines.create([work])
      let given = 0
      const hints = { take: () => true, giveBack: () => (given += 1) }
      const full = new TaskManager({ ...partsOf(manager), db, hints })
      const announced = nextEvent(events, 'created')
      const statements = await captureStatements(pool, () => full.createTask(work))
      expect(statements.map(({ text }) => text.includes('pg_notify'))).toEqual([true, false])
      // Others are still to hear of it.
      const { taskIds, told } = await announced
      expect(told).toBe(false)
      expect(given).toBe(1)
      expect(await manager.getTask(taskIds[0] ?? '')).toMatchObject({ status: 'pending' })
    } finally {
      await pool.end()
    }
  })

  test('that were gathered leave with the next commit of tasks, or by themselves where that fails', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const sent: Promise<unknown>[] = []
    const pool = slowPool(engines.database.pool, (_query, send) => {
      const answer = send()
      sent.push(answer)
      return answer
    })
    const events = new TaskEvents()
    const db = createDatabase(pool, { prepared: false })
    const notifier = new Notifier({ db, events, runsHere: () => false, holds: () => false })
    const spend = () => {
      let taken = 0
      while (notifier.take(['work'])) taken += 1
      expect(taken).toBeGreaterThan(0)
      events.emit('created', { taskIds: ['task_1'], taskTypes: ['work'], dueNow: true, told: false })
    }
    try {
      spend()
      vi.advanceTimersByTime(4)
      expect(notifier.take(['work'])).toBe(false)
      vi.advanceTimersByTime(1)
      expect(notifier.take(['work'])).toBe(true)
      vi.advanceTimersByTime(1_000)
      expect(sent).toHaveLength(0)
      spend()
      vi.advanceTimersByTime(5)
      expect(notifier.take(['work'])).toBe(true)
      notifier.giveBack()
      vi.advanceTimersByTime(1_000)
      expect(sent).toHaveLength(1)
    } finally {
      notifier.stop()
      vi.useRealTimers()
      await Promise.all(sent)
    }
  })

  test('are given back by an insert that fails', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager } = engines.create([work])
    let given = 0
    const hints = { take: () => true, giveBack: () => (given += 1) }
    const broken = slowPool(engines.database.pool, async () => {
      throw new Error('refused')
    })
    const db = createDatabase(broken, { prepared: false })
    await expect(new TaskManager({ ...partsOf(manager), db, hints }).createTask(work)).rejects.toThrow(
      'refused',
    )
    expect(given).toBe(1)
  })

  test('that nobody sends are made up for by a look after the next task', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const mayEnd = createGate()
    const hold = task('hold')(async () => {
      started.open()
      await mayEnd.opened
    })
    const work = task('work')(() => {})
    const worker = engines.start([hold, work], { ...deafOtherwise, concurrency: 4 }, hears)
    await listening(worker)
    const silent = engines.create([hold, work])
    await engines.create([hold, work], deafOtherwise, hears).manager.createTask(hold)
    await started.opened
    const { taskId } = await silent.manager.createTask(work)
    const ended = nextEvent(worker.events, 'ended', (event) => event.taskId === taskId)
    mayEnd.open()
    await ended
  })

  test('tell of what a stop gives back', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const work = task('work')(async (_params, { attempt, signal }) => {
      started.open()
      if (attempt === 1) await aborted(signal)
      return attempt
    })
    const settings = { ...deafOtherwise, shutdownTimeoutMs: 100 }
    const first = engines.start([work], settings, hears)
    const { taskId } = await first.manager.createTask(work)
    await started.opened
    const second = engines.start([work], deafOtherwise, hears)
    await listening(second, 2)
    const ended = nextEvent(second.events, 'ended')
    await first.executor.stop()
    expect(await ended).toMatchObject({ taskId, attempt: 2, outcome: 'completed' })
  })

  test('tell at the end of a stop, because this process alone may know of more', async () => {
    const { task } = createTaskRegistry()
    const { executor } = engines.start([task('work')(() => {})], deafOtherwise, hears)
    const statements = await captureStatements(engines.database.pool, () => executor.stop())
    const sent = statements.map(({ text, values }) => (text.includes('pg_notify') ? values[0] : text))
    expect(sent.slice(-2)).toEqual([expect.stringContaining('tasks_executor_stop'), 'due'])
  })

  test('tell of what was given back, rescued or taken by a lost claim: others may have room for it', async () => {
    const sent: Promise<unknown>[] = []
    const payloads: unknown[] = []
    const pool = slowPool(engines.database.pool, ({ values }, send) => {
      const answer = send()
      payloads.push(values?.[0])
      sent.push(answer)
      return answer
    })
    const events = new TaskEvents()
    const db = createDatabase(pool, { prepared: false })
    const notifier = new Notifier({ db, events, runsHere: () => true, holds: () => false })
    const run = { taskId: 'task_1', taskType: 'work', attempt: 1, durationMs: 1 }
    try {
      events.emit('rescued', { tasks: [] })
      expect(payloads).toEqual(['due'])
      events.emit('orphansReleased', { taskIds: [] })
      expect(payloads).toEqual(['due', 'due'])
      events.emit('ended', { ...run, outcome: 'completed' })
      expect(payloads).toEqual(['due', 'due'])
      events.emit('ended', { ...run, outcome: 'interrupted' })
      expect(payloads).toEqual(['due', 'due', 'due'])
    } finally {
      notifier.stop()
      await Promise.all(sent)
    }
  })

  test('carry a cancel to the process that runs the task', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const heard = createGate()
    const work = task('work')(async (_params, { signal }) => {
      started.open()
      await aborted(signal)
      heard.open()
    })
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(worker)
    const other = engines.create([work], deafOtherwise, hears)
    const { taskId } = await other.manager.createTask(work)
    await started.opened
    await other.manager.cancelTask(taskId)
    await heard.opened
  })

  test('carry a bulk cancel in a few words, to every handler that it is for', async () => {
    const { task } = createTaskRegistry()
    const COUNT = 300
    const started = createGate()
    let running = 0
    let heard = 0
    const work = task('work')(async (_params, { signal }) => {
      running += 1
      if (running === COUNT) started.open()
      await aborted(signal)
      heard += 1
    })
    const worker = engines.start([work], { ...deafOtherwise, concurrency: COUNT }, hears)
    await listening(worker)
    const other = engines.create([work], deafOtherwise, hears)
    const created = await other.manager.createTasks(Array.from({ length: COUNT }, () => ({ task: work })))
    await started.opened
    const taskIds = created.map(({ taskId }) => taskId)
    const statements = await captureStatements(engines.database.pool, async () => {
      const { results } = await other.manager.bulk({ action: 'cancel', taskIds })
      expect(results.every(({ ok }) => ok)).toBe(true)
      await expect.poll(() => heard).toBe(COUNT)
    })
    const sent = statements.filter(({ values }) => String(values[0]).startsWith('cancelled'))
    expect(sent).toHaveLength(Math.ceil(COUNT / 128))
  })

  test('of a cancel fit into a payload at their largest, and say what they said', async () => {
    const longest = { taskId: `task_${'x'.repeat(45)}`, attempt: 2_147_483_647 }
    const payload = encodeNotification({
      kind: 'cancelled',
      runs: Array.from({ length: 128 }, () => longest),
    })
    await engines.database.pool.query(`select pg_notify('anywhere', $1)`, [payload])
    expect(decodeNotification(payload)).toMatchObject({
      kind: 'cancelled',
      runs: { length: 128, 127: longest },
    })
    // As a process of an earlier version says it.
    expect(decodeNotification('cancelled task_1 7')).toEqual({
      kind: 'cancelled',
      runs: [{ taskId: 'task_1', attempt: 7 }],
    })
    for (const foreign of ['', 'cancelled', 'cancelled task_1', 'cancelled task_1 x', 'cancelled  1 2 3']) {
      expect(decodeNotification(foreign)).toBeUndefined()
    }
  })

  test('come back after the connection that listens was ended, and what was missed is read again', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const heard = createGate()
    const work = task('work')(async (_params, { signal }) => {
      started.open()
      await aborted(signal)
      heard.open()
    })
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(worker)
    const deaf = engines.create([work])
    await deaf.manager.createTask(work)
    worker.executor.wake()
    await started.opened
    // Cancelled without a hint, while nobody listens.
    const [running] = (await deaf.manager.listTasks({ status: ['running'] })).tasks
    await deaf.manager.cancelTask(running?.taskId ?? '')
    const failed = nextEvent(worker.events, 'loopFailed', ({ loop }) => loop === 'listener')
    const recovered = nextEvent(worker.events, 'loopRecovered', ({ loop }) => loop === 'listener')
    await engines.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'fastify-async-tasks listener'`,
    )
    await Promise.all([failed, recovered, heard.opened])
    expect(worker.executor.health().ok).toBe(true)
  })

  test('that were gathered leave when the process stops', async () => {
    const { db, events } = engines.create([])
    const notifier = new Notifier({ db, events, runsHere: () => false, holds: () => false })
    let hints = 0
    const statements = await captureStatements(db.pool, async () => {
      // In one turn: no timer comes between.
      do {
        events.emit('roomLeft', { taskTypes: ['work'] })
        hints += 1
      } while (vi.mocked(db.pool.query).mock.calls.length === hints)
      notifier.stop()
    })
    expect(hints).toBeGreaterThan(5)
    expect(statements.map(({ values }) => values)).toEqual(Array.from({ length: hints }, () => ['due']))
  })

  test('are not sent for what this process takes at once by itself', async () => {
    const { task } = createTaskRegistry()
    const hold = createGate()
    const work = task('work')(() => hold.opened)
    const { executor } = engines.create([work], { concurrency: 2 })
    expect(executor.runsAtOnce(['work'])).toBe(false)
    executor.start()
    expect(executor.runsAtOnce(['work', 'work'])).toBe(true)
    expect(executor.runsAtOnce(['work', 'work', 'work'])).toBe(false)
    expect(executor.runsAtOnce(['unknown'])).toBe(false)
    hold.open()
  })

  /** So many executors hear what is said, this one among them. */
  async function listening({ executor }: ReturnType<typeof engines.start>, count = 1): Promise<void> {
    await expect
      .poll(async () => {
        const { rows } = await engines.database.pool.query(
          `select state, query from pg_stat_activity
            where datname = current_database() and application_name = 'fastify-async-tasks listener'`,
        )
        return rows.map(({ state, query }) => [state, query.startsWith('listen')])
      })
      .toEqual(Array.from({ length: count }, () => ['idle', true]))
    expect(executor.health().loops.map(({ loop }) => loop)).toContain('listener')
  }
})
