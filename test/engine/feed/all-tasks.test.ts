import pg from 'pg'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createDatabase, type Database } from '../../../src/db/database.ts'
import { Redaction } from '../../../src/engine/definition/redaction.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { type FeedEvent, TaskFeed } from '../../../src/engine/feed/feed.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { requestReports } from '../../../src/engine/store/changes.ts'
import { useEngines } from '../../support/engines.ts'
import { rememberTypes } from '../../support/remember-types.ts'

const engines = useEngines()
const { task } = createTaskRegistry()
const quick = task('quick')(() => {})
const DELAYED = { delayMs: 3_600_000 }

/** The feed of a process that runs nothing: whatever it knows, it knows from the database. */
let feed: TaskFeed
let viewer: Database
let statements: string[]
beforeEach(async () => {
  await rememberTypes(engines.database.pool, 'quick', 'unknown')
  viewer = createDatabase(engines.database.pool, { prepared: engines.database.prepared })
  statements = []
  const pool = new Proxy(viewer.pool, {
    get(target, key) {
      if (key !== 'query') return Reflect.get(target, key)
      return (statement: { text: string }) => {
        statements.push(statement.text)
        return target.query(statement)
      }
    },
  })
  feed = new TaskFeed({ ...viewer, pool }, new TaskEvents(), new Redaction([], new Map()))
})
const clients: pg.Client[] = []
afterEach(async () => {
  feed.close()
  await Promise.all(clients.splice(0).map((client) => client.end()))
})

interface View {
  /** What each task was shown as last. */
  readonly shown: ReadonlyMap<string, string>
  readonly events: readonly FeedEvent[]
  /** Resolves when its stream has ended. */
  readonly ended: Promise<void>
}

async function watch(options: { createdBy?: string } = {}): Promise<View> {
  const leave = new AbortController()
  onTestFinished(() => leave.abort())
  const steps = await feed.followAll({ signal: leave.signal, idleMs: 60_000, ...options })
  const shown = new Map<string, string>()
  const events: FeedEvent[] = []
  // Streams begin with what runs, if only with an empty step.
  await steps.next()
  const read = async () => {
    for await (const step of steps) {
      for (const event of step) {
        events.push(event)
        if (event.type === 'task') shown.set(event.task.taskId, event.task.status)
        if (event.type === 'deleted') shown.set(event.taskId, 'deleted')
      }
    }
  }
  return { shown, events, ended: read() }
}

async function openTransaction(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: engines.database.url })
  await client.connect()
  clients.push(client)
  await client.query('begin')
  return client
}

describe('a viewer of all tasks is shown that another process', () => {
  test('cancels a waiting task that was there before', async () => {
    const { manager } = engines.create([quick])
    const { taskId } = await manager.createTask(quick, {}, DELAYED)
    await crowd()
    const { shown } = await watch()
    await manager.cancelTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('cancelled')
  })

  test('retries a task that had ended, once more after it ended again', async () => {
    const { manager } = engines.create([quick])
    const { taskId } = await manager.createTask(quick, {}, DELAYED)
    await manager.cancelTask(taskId)
    await crowd()
    const { shown } = await watch()
    await manager.retryTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('pending')
    await manager.cancelTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('cancelled')
    await manager.retryTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('pending')
  })

  test('deletes a task, whether the viewer was shown it or not', async () => {
    const { manager } = engines.create([quick])
    const before = await manager.createTask(quick, {}, DELAYED)
    await manager.cancelTask(before.taskId)
    await crowd()
    const { shown, events } = await watch()
    const { taskId } = await manager.createTask(quick, {}, DELAYED)
    await expect.poll(() => shown.get(taskId)).toBe('pending')
    await manager.cancelTask(taskId)
    for (const id of [before.taskId, taskId]) {
      await manager.deleteTask(id)
      await expect.poll(() => events).toContainEqual({ type: 'deleted', taskId: id })
    }
  })

  test('ends each of many tasks that were pending, however quickly', async () => {
    const { manager } = engines.create([quick])
    const created = await manager.createTasks(Array.from({ length: 30 }, () => ({ task: quick })))
    await crowd()
    const { shown } = await watch()
    engines.start([quick], { pollIntervalMs: 20 })
    const ids = created.map(({ taskId }) => taskId)
    await expect.poll(() => ids.map((id) => shown.get(id))).toEqual(ids.map(() => 'completed'))
  })

  test('puts a failed attempt back to pending between two polls', async () => {
    const fails = task('fails', { maxRetries: 1, retryBaseMs: 3_600_000 })(() => {
      throw new Error('not yet')
    })
    await rememberTypes(engines.database.pool, 'fails')
    const { manager } = engines.create([fails])
    const { taskId } = await manager.createTask(fails)
    await crowd()
    const { events } = await watch()
    engines.start([fails], { pollIntervalMs: 20 })
    await expect
      .poll(() => events)
      .toContainEqual({
        type: 'task',
        task: expect.objectContaining({ taskId, status: 'pending', retryCount: 1 }),
      })
  })

  test('changes a thousand tasks in one call', async () => {
    const { manager } = engines.create([quick])
    const created = await manager.createTasks(
      Array.from({ length: 1_000 }, () => ({ task: quick, ...DELAYED })),
    )
    const taskIds = created.map(({ taskId }) => taskId)
    await crowd()
    const { shown } = await watch()
    const count = (status: string) => taskIds.filter((id) => shown.get(id) === status).length
    await manager.bulk({ action: 'cancel', taskIds })
    await expect.poll(() => count('cancelled')).toBe(1_000)
    await manager.bulk({ action: 'delete', taskIds })
    await expect.poll(() => count('deleted')).toBe(1_000)
  })

  test('creates more tasks at once than one poll reads', async () => {
    const { manager } = engines.create([quick])
    const { shown } = await watch()
    const items = Array.from({ length: 1_000 }, () => ({ task: quick, ...DELAYED }))
    await Promise.all([manager.createTasks(items), manager.createTasks(items), manager.createTasks(items)])
    await expect.poll(() => shown.size).toBe(3_000)
  })

  test('creates a task in a transaction that others overtake', async () => {
    const { manager } = engines.create([quick])
    const { shown } = await watch()
    const late = await openTransaction()
    const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, tx: late })
    for (let i = 0; i < 3; i += 1) {
      const other = await manager.createTask(quick, {}, DELAYED)
      await expect.poll(() => shown.get(other.taskId)).toBe('pending')
    }
    await late.query('commit')
    await expect.poll(() => shown.get(taskId)).toBe('pending')
  })

  test('creates thousands of tasks in transactions that others overtake', async () => {
    const { manager } = engines.create([quick])
    const { shown } = await watch()
    const late = await Promise.all([openTransaction(), openTransaction()])
    for (const tx of late) {
      await manager.createTasks(
        Array.from({ length: 1_000 }, () => ({ task: quick, ...DELAYED })),
        { tx },
      )
    }
    const other = await manager.createTask(quick, {}, DELAYED)
    await expect.poll(() => shown.get(other.taskId)).toBe('pending')
    for (const tx of late) await tx.query('commit')
    await expect.poll(() => shown.size).toBe(2_001)
  })

  test('pauses and resumes a type', async () => {
    const { manager } = engines.create([quick])
    const { events } = await watch()
    await manager.pauseTaskType('quick')
    await expect.poll(() => events).toEqual([{ type: 'type', taskType: 'quick', paused: true }])
    await manager.resumeTaskType('quick')
    await expect.poll(() => events).toContainEqual({ type: 'type', taskType: 'quick', paused: false })
  })
})

test('a viewer whose picture may have become wrong is disconnected: an executor died', async () => {
  const { manager } = engines.create([quick])
  const { ended } = await watch()
  await manager.createTask(quick, {}, DELAYED)
  await engines.database.pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
     values (gen_random_uuid(), 'x', 1, 'x', 1, '{}', 1000, now() - interval '1 minute')`,
  )
  await ended
})

test('viewers are disconnected where their process stood still for longer than changes are reported', async () => {
  const { manager } = engines.create([quick])
  const now = performance.now.bind(performance)
  let aheadMs = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs)
  onTestFinished(() => clock.mockRestore())
  const { shown, ended } = await watch()
  const requests = () => statements.filter((text) => text.includes(`'watch', gen_random_uuid()`)).length
  expect(requests()).toBe(1)
  // A request in time keeps them.
  aheadMs = 10_000
  await expect.poll(requests).toBe(2)
  const { taskId } = await manager.createTask(quick, {}, DELAYED)
  await expect.poll(() => shown.get(taskId)).toBe('pending')
  await engines.database.pool.query(
    `update async_task_duties set until = now() - interval '1 ms' where name = 'watch'`,
  )
  // Another process that requests reports again does not hide the gap.
  const db = createDatabase(engines.database.pool, { prepared: engines.database.prepared })
  await requestReports(db)
  aheadMs = 20_000
  await ended
})

test('reports are written only while a process watches, and are removed', async () => {
  const { manager, executor } = engines.start([quick], { pollIntervalMs: 20 })
  const reports = async () =>
    (await engines.database.pool.query('select task_ids from async_task_changes')).rows.length
  const { taskId } = await manager.createTask(quick)
  await manager.waitFor(taskId)
  await executor.stop()
  expect(await reports()).toBe(0)
  await manager.deleteTask(taskId)
  expect(await reports()).toBe(1)
  await engines.database.pool.query(`update async_task_changes set created_at = now() - interval '1 hour'`)
  await watch()
  expect(await reports()).toBe(0)
})

test('any number of viewers costs as many statements as one', async () => {
  await Promise.all(Array.from({ length: 20 }, watch))
  const before = statements.length
  const begun = performance.now()
  await expect.poll(() => statements.length - before).toBeGreaterThan(4)
  const seconds = (performance.now() - begun) / 1_000
  expect((statements.length - before) / seconds).toBeLessThan(10)
})

/** Tasks that are newer than those of the test: the first poll reads the newest alone. */
async function crowd(): Promise<void> {
  await engines.database.pool.query(
    `insert into async_tasks (task_id, task_type, status, completed_at)
     select 'task_crowd' || i, 'unknown', 'completed', now() from generate_series(1, 600) i`,
  )
}

describe('a viewer of one creator', () => {
  test.each(['a,b', '{a}', '"', '\\', ' ', 'NULL', 'null', "'; drop"])(
    'is shown its running tasks, whatever it is called: %s',
    async (createdBy) => {
      const { manager } = engines.create([quick])
      const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, createdBy })
      await manager.createTask(quick, {}, { ...DELAYED, createdBy: 'a' })
      await engines.database.pool.query(
        `update async_tasks set status = 'running', executor_id = gen_random_uuid(), attempt = 1`,
      )
      const leave = new AbortController()
      const steps = await feed.followAll({ signal: leave.signal, idleMs: 60_000, createdBy })
      const { value: first } = await steps.next()
      leave.abort()
      expect(first).toMatchObject([{ type: 'task', task: { taskId, status: 'running' } }])
    },
  )

  test('is shown its tasks and their deletion, and nothing of others', async () => {
    const { manager } = engines.create([quick])
    const create = (createdBy: string | null) =>
      manager.createTask(quick, {}, { ...DELAYED, createdBy }).then(({ taskId }) => taskId)
    const before = { own: await create('a'), other: await create('b') }
    const mine = await watch({ createdBy: 'a' })
    const all = await watch()
    const after = { own: await create('a'), other: await create('b'), nobody: await create(null) }
    for (const taskId of [before, after].flatMap((ids) => Object.values(ids)))
      await manager.cancelTask(taskId)
    await expect.poll(() => mine.shown.get(after.own)).toBe('cancelled')
    await manager.pauseTaskType('quick')
    await manager.resumeTaskType('quick')
    for (const taskId of [before.other, after.other, before.own, after.own]) await manager.deleteTask(taskId)
    for (const taskId of [before.own, after.own]) {
      await expect.poll(() => mine.shown.get(taskId)).toBe('deleted')
    }
    // What comes last for all has come for each.
    const last = await create('a')
    await expect.poll(() => mine.shown.get(last)).toBe('pending')
    await expect.poll(() => all.shown.get(after.other)).toBe('deleted')
    expect(new Set(mine.shown.keys())).toEqual(new Set([before.own, after.own, last]))
    expect(mine.events.map(({ type }) => type)).not.toContain('type')
    expect(JSON.stringify(mine.events)).not.toContain('createdBy')
  })

  test.each(['a', 'b'])(
    'ends where a task is deleted that the feed never read, for its creator %s is not known',
    async (createdBy) => {
      const { manager } = engines.create([quick])
      const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, createdBy })
      await manager.cancelTask(taskId)
      await crowd()
      const mine = await watch({ createdBy: 'a' })
      const all = await watch()
      await manager.deleteTask(taskId)
      await mine.ended
      await expect.poll(() => all.shown.get(taskId)).toBe('deleted')
      expect(mine.events).toEqual([])
    },
  )

  test('begins with its running tasks, however many of others run and whoever came first', async () => {
    const run = (prefix: string, count: number, createdBy: string) =>
      engines.database.pool.query(
        `insert into async_tasks (task_id, task_type, status, started_at, attempt, created_by)
         select $1 || i, 'unknown', 'running', now(), 1, $3 from generate_series(1, $2::int) i`,
        [prefix, count, createdBy],
      )
    await run('task_other', 2_100, 'b')
    await run('task_own', 3, 'a')
    await crowd()
    const leave = new AbortController()
    onTestFinished(() => leave.abort())
    const first = async (createdBy?: string) => {
      const steps = await feed.followAll({ signal: leave.signal, idleMs: 60_000, createdBy })
      const { value = [] } = await steps.next()
      return value.flatMap((event) => (event.type === 'task' ? [event.task.taskId] : [])).toSorted()
    }
    expect((await first()).length).toBeGreaterThanOrEqual(2_000)
    expect(await first('a')).toEqual(['task_own1', 'task_own2', 'task_own3'])
    expect(await first('nobody')).toEqual([])
  })

  test('receives idle steps while only tasks of others change', async () => {
    const { manager } = engines.create([quick])
    const leave = new AbortController()
    onTestFinished(() => leave.abort())
    const steps = await feed.followAll({ signal: leave.signal, idleMs: 300, createdBy: 'a' })
    expect((await steps.next()).value).toEqual([])
    let isOver = false
    const others = (async () => {
      while (!isOver) await manager.createTask(quick, {}, { ...DELAYED, createdBy: 'b' })
    })()
    expect((await steps.next()).value).toEqual([])
    expect((await steps.next()).value).toEqual([])
    isOver = true
    await others
  })
})
