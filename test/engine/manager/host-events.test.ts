import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskEventName, TaskEventPayloads } from '../../../src/engine/manager/host-events.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { aborted, createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { NAMES } from './host-event-names.ts'

const engines = useEngines()

/** What listeners of all events have received, in order. */
function collect(manager: TaskManager): { name: TaskEventName; event: object }[] {
  const received: { name: TaskEventName; event: object }[] = []
  for (const name of NAMES) manager.on(name, (event) => received.push({ name, event }))
  return received
}

/** The next event of this name that fits. */
function next<Name extends TaskEventName>(
  manager: TaskManager,
  name: Name,
  fits: (event: TaskEventPayloads[Name]) => boolean = () => true,
): Promise<TaskEventPayloads[Name]> {
  const { promise, resolve } = Promise.withResolvers<TaskEventPayloads[Name]>()
  const remove = manager.on(name, (event) => {
    if (!fits(event)) return
    remove()
    resolve(event)
  })
  return promise
}

describe('events for hosts', () => {
  test('name the task, its type and attempt, and what else is known, in the order of its life', async () => {
    const { task } = createTaskRegistry()
    const fragile = task('fragile', { maxRetries: 1, retryBaseMs: 0 })((_params, { attempt }) => {
      if (attempt === 1) throw new TypeError('not yet')
      return { attempt }
    })
    const { manager } = engines.start([fragile])
    const received = collect(manager)
    const completed = next(manager, 'completed')
    const { taskId } = await manager.createTask(fragile)
    await completed
    const run = { taskId, taskType: 'fragile' }
    const durationMs = expect.any(Number)
    expect(received).toEqual([
      { name: 'created', event: { ...run, attempt: 0 } },
      { name: 'started', event: { ...run, attempt: 1 } },
      {
        name: 'retrying',
        event: { ...run, attempt: 1, error: 'TypeError: not yet', retryInMs: 0, durationMs },
      },
      { name: 'started', event: { ...run, attempt: 2 } },
      { name: 'completed', event: { ...run, attempt: 2, durationMs, result: { attempt: 2 } } },
    ])
  })

  test('come when another connection already reads the row so', async () => {
    const { task } = createTaskRegistry()
    const ok = task('ok')(() => null)
    const broken = task('broken', { maxRetries: 0 })(() => {
      throw new Error('no')
    })
    const fragile = task('fragile', { maxRetries: 1, retryBaseMs: 3_600_000 })(() => {
      throw new Error('not yet')
    })
    const { manager } = engines.start([ok, broken, fragile])
    const { pool } = engines.database
    const seen: Promise<string>[] = []
    for (const name of NAMES) {
      manager.on(name, ({ taskId, attempt }) => {
        const row = pool.query<{ status: string; attempt: number }>(
          'select status, attempt from async_tasks where task_id = $1',
          [taskId],
        )
        seen.push(row.then(({ rows: [found] }) => `${name} ${attempt}: ${found?.status} ${found?.attempt}`))
      })
    }
    const cancelled = next(manager, 'cancelled')
    const ends = [next(manager, 'completed'), next(manager, 'failed'), next(manager, 'retrying')]
    const later = await manager.createTask(ok, {}, { delayMs: 3_600_000 })
    await manager.cancelTask(later.taskId)
    await manager.createTasks([{ task: ok }, { task: broken }, { task: fragile }])
    await Promise.all([cancelled, ...ends])
    const lines = new Set(await Promise.all(seen))
    for (const line of [
      'completed 1: completed 1',
      'failed 1: failed 1',
      'retrying 1: pending 1',
      'cancelled 0: cancelled 0',
    ]) {
      expect(lines).toContain(line)
    }
    // What follows may have happened by the time of the read; a row that is missing may not.
    expect([...lines].filter((line) => line.includes('undefined'))).toEqual([])
    expect([...lines].filter((line) => /^started 1: (?!\w+ 1)|^created 0: \w+ [^01]/.test(line))).toEqual([])
  })

  test('report a cancelled run, one that ignores its signal, and one that fails permanently', async () => {
    const { task } = createTaskRegistry()
    const leave = createGate()
    const deaf = task('deaf', { timeoutSeconds: 1, maxRetries: 3 })(() => leave.opened)
    const polite = task('polite')((_params, { signal }) => aborted(signal))
    const hopeless = task('hopeless', { maxRetries: 3 })(() => {
      throw new PermanentError('never')
    })
    const { manager } = engines.start([deaf, polite, hopeless], { cancelGraceMs: 100, concurrency: 3 })
    const started = next(manager, 'started', ({ taskType }) => taskType === 'polite')
    const stuck = next(manager, 'stuck')
    const overdue = next(manager, 'failed', ({ taskType }) => taskType === 'deaf')
    const permanent = next(manager, 'failed', ({ taskType }) => taskType === 'hopeless')
    const cancelled = next(manager, 'cancelled')
    const [one, two, three] = await manager.createTasks([
      { task: deaf },
      { task: polite },
      { task: hopeless },
    ])
    await started
    await manager.cancelTask(two.taskId)
    expect(await cancelled).toEqual({ taskId: two.taskId, taskType: 'polite', attempt: 1 })
    expect(await stuck).toEqual({ taskId: one.taskId, taskType: 'deaf', attempt: 1, forMs: 100 })
    expect(await overdue).toMatchObject({ taskId: one.taskId, error: expect.stringContaining('timed out') })
    expect(await permanent).toMatchObject({ taskId: three.taskId, attempt: 1, error: 'never' })
    leave.open()
  })

  test('report tasks that this process ends for a dead executor, and those of a type that none knows', async () => {
    const { pool } = engines.database
    const insert = (taskId: string, retries: number) =>
      pool.query(
        `insert into async_tasks (task_id, task_type, status, attempt, executor_id, started_at, max_retries)
         values ($1, 'lost', 'running', 1, gen_random_uuid(), now(), $2)`,
        [taskId, retries],
      )
    await insert('task_last', 0)
    await insert('task_again', 1)
    await pool.query(
      `insert into async_tasks (task_id, task_type, run_at) values ('task_unknown', 'unknown', '2024-01-01')`,
    )
    const { task } = createTaskRegistry()
    const settings = { heartbeatIntervalMs: 50, leaseMs: 200, unknownTypeGraceSeconds: 1 }
    const { manager } = engines.start([task('lost')(() => {})], settings)
    const last = next(manager, 'failed', ({ taskId }) => taskId === 'task_last')
    const unknown = next(manager, 'failed', ({ taskId }) => taskId === 'task_unknown')
    const again = next(manager, 'retrying')
    const error = 'attempt 1 was lost: its executor died'
    expect(await last).toEqual({ taskId: 'task_last', taskType: 'lost', attempt: 1, error })
    expect(await again).toEqual({ taskId: 'task_again', taskType: 'lost', attempt: 1, error, retryInMs: 0 })
    expect(await unknown).toEqual({
      taskId: 'task_unknown',
      taskType: 'unknown',
      attempt: 0,
      error: expect.stringMatching(/^UNKNOWN_TASK_TYPE/),
    })
  })

  test('leave out a create that finds the key taken, and an operator’s retry', async () => {
    const { task } = createTaskRegistry()
    const ok = task('ok')(() => {})
    const { manager } = engines.create([ok])
    const created: string[] = []
    manager.on('created', ({ taskId }) => created.push(taskId))
    const first = await manager.createTask(ok, {}, { uniqueKey: 'k' })
    await manager.createTask(ok, {}, { uniqueKey: 'k' })
    await manager.cancelTask(first.taskId)
    await manager.retryTask(first.taskId)
    const last = await manager.createTask(ok)
    expect(created).toEqual([first.taskId, last.taskId])
  })

  test('show no redacted value, and no result that a transaction of the handler’s wrote', async () => {
    const { task } = createTaskRegistry()
    const params = z.object({ token: z.string() })
    const echo = task('echo', { params, redact: ['token'] })(({ token }) => ({ token, with: `x ${token}` }))
    const fail = task('fail', { params, redact: ['token'], maxRetries: 0 })(({ token }) => {
      throw new Error(`refused ${token}`)
    })
    const { pool } = engines.database
    const inTransaction = task('in_transaction')(async (_params, ctx) => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        await ctx.complete(client, { rows: 1 })
        await client.query('commit')
      } finally {
        client.release()
      }
    })
    const { manager } = engines.start([echo, fail, inTransaction])
    const completed = next(manager, 'completed', ({ taskType }) => taskType === 'echo')
    const committed = next(manager, 'completed', ({ taskType }) => taskType === 'in_transaction')
    const failed = next(manager, 'failed')
    await manager.createTasks([
      { task: echo, params: { token: 'hunter22' } },
      { task: fail, params: { token: 'hunter22' } },
      { task: inTransaction },
    ])
    expect(await completed).toMatchObject({ result: { token: '[redacted]', with: 'x [redacted]' } })
    expect(await failed).toMatchObject({ error: 'refused [redacted]' })
    expect(await committed).not.toHaveProperty('result')
  })
})
