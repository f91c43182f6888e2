import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { TaskContext } from '../../../../src/engine/definition/context.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { nextEvent } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'
import { rememberTypes } from '../../../support/remember-types.ts'

const engines = useEngines()
const { task } = createTaskRegistry()
const inThread = (
  type: string,
  file: string,
  options: { maxRetries?: number; timeoutSeconds?: number } = {},
) => task(type, { ...options, run: 'thread', module: new URL(`./modules/${file}.ts`, import.meta.url) })()

describe('a thread handler', () => {
  test('gets its params and context, and its progress, log, children and result come back', async () => {
    const child = task('child')(() => {})
    const polite = task('polite', {
      params: z.object({ name: z.string() }),
      run: 'thread',
      module: new URL('./modules/polite.ts', import.meta.url),
    })()
    const { manager } = engines.start([polite, child])
    const { taskId } = await manager.createTask(polite, { name: 'Ada' }, { createdBy: '7' })
    const ended = await manager.waitFor(taskId)
    const children = await manager.listTasks({ taskType: 'child' })
    expect(ended).toMatchObject({
      status: 'completed',
      result: { name: 'Ada', child: children.tasks[0]?.taskId, attempt: 1, inThread: true },
      progress: 4,
      total: 4,
      step: 'first',
    })
    expect((await manager.getTask(children.tasks[0]?.taskId ?? ''))?.createdBy).toBe('7')
    const { logs } = await manager.listLogs(taskId)
    expect(logs.map((line) => [line.level, line.message])).toEqual([
      ['INFO', 'hello'],
      ['WARNING', 'odd'],
    ])
    expect(logs[0]?.data).toEqual({ name: 'Ada' })
  })

  test('in an endless loop is cancelled, and its slot is free at once', async () => {
    const endless = inThread('endless', 'endless')
    const noop = task('noop')(() => {})
    const { manager, events } = engines.start([endless, noop], { concurrency: 1, cancelGraceMs: 600_000 })
    const started = nextEvent(events, 'started')
    const { taskId } = await manager.createTask(endless)
    await started
    await manager.cancelTask(taskId)
    const next = await manager.createTask(noop)
    expect(await manager.waitFor(next.taskId)).toMatchObject({ status: 'completed' })
    expect(await manager.retryTask(taskId)).toMatchObject({ status: 'pending' })
    await manager.cancelTask(taskId)
  })

  test('in an endless loop is ended by its timeout', async () => {
    const endless = inThread('endless_timeout', 'endless', { timeoutSeconds: 1, maxRetries: 0 })
    const { manager } = engines.start([endless])
    const { taskId } = await manager.createTask(endless)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed', error: 'timed out after 1 s' })
  })

  test('receives its signal and may stop by itself', async () => {
    const listening = inThread('listening', 'listening')
    const { manager, executor } = engines.start([listening], { shutdownTimeoutMs: 3_000 })
    const { taskId } = await manager.createTask(listening)
    await expect.poll(async () => (await manager.listLogs(taskId)).total).toBe(1)
    await manager.cancelTask(taskId)
    await expect.poll(() => executor.health().running).toBe(0)
  })

  test('fails as it would in process: permanent, with its own delay, or permanently when its result is no JSON', async () => {
    const failing = inThread('failing', 'failing', { maxRetries: 1 })
    const { manager, events } = engines.start([failing])
    const run = async (how: string) => {
      const ended = nextEvent(events, 'ended')
      const { taskId } = await manager.createTask(failing, { how })
      return { ended: await ended, task: await manager.getTask(taskId) }
    }
    expect((await run('permanent')).task).toMatchObject({ status: 'failed', error: 'never', retryCount: 0 })
    expect((await run('later')).ended).toMatchObject({ retryInMs: 60_000, error: 'quota' })
    expect((await run('plain')).task).toMatchObject({ status: 'pending', error: 'RangeError: plain' })
    expect((await run('uncloneable')).task).toMatchObject({
      error: expect.stringContaining('could not be cloned'),
    })
  })

  test('that crashes its thread fails its attempt alone', async () => {
    const failing = inThread('crashing', 'failing', { maxRetries: 0 })
    const { manager } = engines.start([failing])
    const { taskId } = await manager.createTask(failing, { how: 'crash' })
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed', error: 'out of nowhere' })
  })

  test.for([true, false])('completes its task inside its own transaction (committed: %s)', async (commit) => {
    await engines.database.pool.query('create table business (task_id text)')
    const paying = inThread(`paying_${commit}`, 'paying', { maxRetries: 0 })
    const { manager } = engines.start([paying])
    const { taskId } = await manager.createTask(paying, { url: engines.database.url, commit })
    const ended = await manager.waitFor(taskId)
    const { rows } = await engines.database.pool.query('select * from business')
    expect(rows).toHaveLength(commit ? 1 : 0)
    if (commit) expect(ended).toMatchObject({ status: 'completed', result: { paid: true } })
    else
      expect(ended).toMatchObject({
        status: 'failed',
        error: expect.stringContaining('COMPLETION_ROLLED_BACK'),
      })
    expect(await manager.listLogs(taskId, { level: 'INFO' })).toMatchObject({ total: 1 })
  })

  test('is refused a task inside a transaction, and creates it after the commit', async () => {
    await rememberTypes(engines.database.pool, 'child')
    const enqueuing = inThread('enqueuing', 'enqueuing', { maxRetries: 0 })
    const { manager } = engines.start([enqueuing])
    const { taskId } = await manager.createTask(enqueuing)
    expect((await manager.waitFor(taskId)).result).toEqual({
      refusal: {
        name: 'TaskError',
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/^tx: .* once your transaction has committed/),
      },
      created: true,
    })
    expect(await manager.listTasks({ taskType: 'child' })).toMatchObject({ total: 1 })
  })

  test('leaves no thread to its process when its executor stops; those of other executors live on', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const connectFrom = async (type: string, untilAbort: boolean) => {
      const connecting = inThread(type, 'connecting')
      const { manager, executor } = engines.start([connecting], { shutdownTimeoutMs: 3_000 })
      const connection = once(server, 'connection')
      const { taskId } = await manager.createTask(connecting, { port, untilAbort })
      const [socket] = (await connection) as [Socket]
      const closed = new Promise<'closed'>((resolve) => socket.resume().on('close', () => resolve('closed')))
      // A terminated thread may reset its connection.
      socket.on('error', () => {})
      if (!untilAbort) await manager.waitFor(taskId)
      return { executor, closed, socket }
    }
    const idle = await connectFrom('connecting_idle', false)
    const busy = await connectFrom('connecting_busy', true)
    // Idle threads end after 30 s without a stop.
    const tooLate = setTimeout(20_000, 'too late', { ref: false })
    await idle.executor.stop()
    expect(await Promise.race([idle.closed, tooLate])).toBe('closed')
    expect(busy.socket.closed).toBe(false)
  })

  test('can be called in an executor alone', async () => {
    const polite = inThread('polite_call', 'polite')
    await expect(async () => polite({}, {} as TaskContext)).rejects.toThrow(
      new TypeError('a thread handler runs only in an executor; call its module in a unit test'),
    )
    expect(() => task('other_type')(polite)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining("run: 'thread'"),
      }),
    )
  })

  test('needs a module', () => {
    expect(() => task('no_module', { run: 'thread' } as never)()).toThrow(/needs module/)
  })
})
