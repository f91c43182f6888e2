import pg from 'pg'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { TaskDetail, TaskLogLine } from '../../../src/contract/task.ts'
import { createPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { isOutage } from '../../../src/db/errors.ts'
import { Redaction } from '../../../src/engine/definition/redaction.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { type FeedEvent, type FeedStep, TaskFeed } from '../../../src/engine/feed/feed.ts'
import { watchTask } from '../../../src/engine/feed/task-watch.ts'
import type { TaskChanges } from '../../../src/engine/manager/manager.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { expireTasks } from '../../../src/engine/store/expire.ts'
import { createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { rememberTypes } from '../../support/remember-types.ts'

const engines = useEngines()
beforeEach(() => rememberTypes(engines.database.pool, 'elsewhere', 'nobody', 'done_before'))
const { task } = createTaskRegistry()

let feed: TaskFeed
let statements: string[]

const redaction = new Redaction(['password'], new Map())

/** The feed of a process that runs nothing: whatever it knows, it knows from the database. */
beforeEach(() => {
  const db = createDatabase(engines.database.pool, { prepared: engines.database.prepared })
  statements = []
  const query = db.pool.query.bind(db.pool)
  const counted = new Proxy(db.pool, {
    get(pool, key) {
      if (key !== 'query') return Reflect.get(pool, key)
      return (statement: { text: string }) => {
        statements.push(statement.text)
        return query(statement)
      }
    },
  })
  feed = new TaskFeed({ ...db, pool: counted }, new TaskEvents(), redaction)
})
const clients: pg.Client[] = []
afterEach(async () => {
  feed.close()
  await Promise.all(clients.splice(0).map((client) => client.end()))
})

function leaving(): AbortController {
  const controller = new AbortController()
  onTestFinished(() => controller.abort())
  return controller
}

const follow = (taskId: string, afterId = 0, signal = leaving().signal) =>
  feed.follow(taskId, { afterId, signal, idleMs: 60_000 })

async function* eventsOf(steps: AsyncIterable<FeedStep>): AsyncGenerator<FeedEvent> {
  for await (const step of steps) yield* step
}

async function messagesUntil(events: AsyncIterator<FeedEvent>, last: string): Promise<string[]> {
  const messages: string[] = []
  while (messages.at(-1) !== last) {
    const { value, done } = await events.next()
    if (done) throw new Error(`ended after: ${messages.join(', ')}`)
    if (value.type === 'log') messages.push(value.line.message)
  }
  return messages
}

async function insertLine(client: pg.ClientBase | pg.Pool, taskId: string, message: string): Promise<void> {
  const text = `insert into async_task_logs (task_id, level, message) values ($1, 'INFO', $2)`
  await client.query(text, [taskId, message])
}

async function openTransaction(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: engines.database.url })
  await client.connect()
  clients.push(client)
  await client.query('begin')
  return client
}

describe('what another process does', () => {
  test('is shown until the end, the log before it', async () => {
    const gate = createGate()
    const work = task('work')(async (_params, ctx) => {
      ctx.log.info('started')
      ctx.progress(1, 4, 'first')
      await gate.opened
      ctx.log.info('finishing')
      return 'done'
    })
    const { manager } = engines.start([work])
    const { taskId } = await manager.createTask(work)
    const seen: FeedEvent[] = []
    for await (const event of eventsOf(await follow(taskId))) {
      seen.push(event)
      const hasStarted = seen.some(({ type }) => type === 'log')
      const hasProgress = seen.some((one) => one.type === 'task' && one.task.step === 'first')
      if (hasStarted && hasProgress) gate.open()
    }
    const lines = seen.flatMap((event) => (event.type === 'log' ? event.line.message : []))
    expect(lines).toEqual(['started', 'finishing'])
    expect(seen.at(-1)).toEqual({ type: 'end', task: await manager.getTask(taskId) })
  })

  test('is shown without the params that are kept out of sight', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('elsewhere', { user: 'ada', password: 'secret' })
    const { value } = await eventsOf(await follow(taskId)).next()
    expect(value).toMatchObject({ type: 'task', task: { params: { user: 'ada', password: '[redacted]' } } })
  })

  test('a failed try and the next one are seen, with the attempts', async () => {
    const work = task('fails_once', { maxRetries: 1, retryBaseMs: 1 })((_params, ctx) => {
      if (ctx.attempt === 1) throw new Error('not yet')
    })
    const { manager } = engines.create([work])
    const { taskId } = await manager.createTask(work)
    const events = eventsOf(await follow(taskId))
    expect((await events.next()).value).toMatchObject({ type: 'task', task: { status: 'pending' } })
    engines.start([work])
    const seen: FeedEvent[] = []
    for await (const event of events) seen.push(event)
    expect(seen.filter(({ type }) => type === 'log')).toMatchObject([
      { line: { level: 'ERROR', message: expect.stringContaining('not yet'), attempt: 1 } },
    ])
    expect(seen.at(-1)).toMatchObject({
      type: 'end',
      task: { status: 'completed', attempts: [{ outcome: 'failed' }, { outcome: 'completed' }] },
    })
  })

  test('a deleted task ends without an end; one that never was is refused', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const events = eventsOf(await follow(taskId))
    await events.next()
    await engines.database.pool.query('delete from async_tasks')
    expect(await events.next()).toEqual({ done: true, value: undefined })
    await expect(follow(taskId)).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    await expect(follow('nonsense')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
  })
})

test('a stream of a task that can no longer be read throws the error, also for the process itself', async () => {
  const { manager } = engines.create([])
  const { taskId } = await manager.createTask('nobody')
  const events = eventsOf(await follow(taskId))
  const watch = watchTask(feed, taskId, {})
  await Promise.all([events.next(), watch.next()])
  const { pool } = engines.database
  await pool.query('alter table async_task_attempts rename to elsewhere')
  await pool.query('update async_tasks set retry_count = 1 where task_id = $1', [taskId])
  const unreadable = { code: 'MIGRATION_FAILED' }
  await expect(events.next()).rejects.toMatchObject(unreadable)
  await expect(watch.next()).rejects.toMatchObject(unreadable)
  await expect(follow(taskId)).rejects.toMatchObject(unreadable)
})

test('a viewer that leaves before the first poll gets an empty stream, and nothing runs for it', async () => {
  const { manager } = engines.create([])
  const { taskId } = await manager.createTask('nobody')
  const gone = { signal: AbortSignal.abort(), idleMs: 60_000 }
  for (const steps of [await feed.follow(taskId, { ...gone, afterId: 0 }), await feed.followAll(gone)]) {
    for await (const step of steps) expect(step).toEqual([])
  }
  const leave = new AbortController()
  const entering = follow(taskId, 0, leave.signal)
  leave.abort()
  expect(await (await entering).next()).toEqual({ done: true, value: undefined })
  expect(feed.viewers).toBe(0)
})

describe('lines that become visible out of order', () => {
  test('wait for an earlier one that is not committed yet', async () => {
    // The time for which they are held back stands still, however long the looks take.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    onTestFinished(() => clock.mockRestore())
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const events = eventsOf(await follow(taskId))
    const late = await openTransaction()
    await insertLine(late, taskId, 'first')
    await insertLine(engines.database.pool, taskId, 'second')
    const looks = statements.length
    // Seen without the first: a feed that handed it on would have done so by now.
    await expect.poll(() => statements.length).toBeGreaterThan(looks + 3)
    await late.query('commit')
    expect(await messagesUntil(events, 'second')).toEqual(['first', 'second'])
  })

  test('are held back for two seconds at most', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const events = eventsOf(await follow(taskId))
    const late = await openTransaction()
    await insertLine(late, taskId, 'never committed')
    const before = performance.now()
    await insertLine(engines.database.pool, taskId, 'second')
    expect(await messagesUntil(events, 'second')).toEqual(['second'])
    expect(performance.now() - before).toBeGreaterThan(1_900)
  })

  test('do not wait for transactions that have written to other tables', async () => {
    const { manager } = engines.create([])
    const [watched, other] = await manager.createTasks([{ task: 'nobody' }, { task: 'nobody' }])
    const events = eventsOf(await follow(watched.taskId))
    const unrelated = await openTransaction()
    await unrelated.query('update async_tasks set priority = 1 where task_id = $1', [other.taskId])
    const before = statements.length
    await insertLine(engines.database.pool, watched.taskId, 'line')
    await messagesUntil(events, 'line')
    // One poll sees the line, the next one passes it on.
    expect(statements.length - before).toBeLessThanOrEqual(4)
  })

  test('writers in any number and order leave no gap', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const events = eventsOf(await follow(taskId))
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      const client = await openTransaction()
      for (let i = 0; i < 20; i += 1) {
        await insertLine(client, taskId, `${writer}/${i}`)
        await client.query('select pg_sleep(random() * 0.05)')
        await client.query('commit and chain')
      }
      await client.query('rollback')
    })
    await Promise.all(writers)
    await insertLine(engines.database.pool, taskId, 'last')
    const messages = await messagesUntil(events, 'last')
    const { rows } = await engines.database.pool.query<TaskLogLine>(
      'select message from async_task_logs order by id',
    )
    expect(messages).toEqual(rows.map(({ message }) => message))
  }, 60_000)
})

describe('the reader', () => {
  test('asks once for any number of viewers, and not at all for none', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const leave = leaving()
    const viewers = await Promise.all(Array.from({ length: 50 }, () => follow(taskId, 0, leave.signal)))
    const received = viewers.map((steps) => eventsOf(steps))
    await Promise.all(received.map((events) => events.next()))
    const next = received.map((events) => events.next())
    await insertLine(engines.database.pool, taskId, 'line')
    expect((await Promise.all(next)).map(({ value }) => value.type)).toEqual(Array(50).fill('log'))
    const polls = statements.filter((text) => text.includes('pg_current_snapshot')).length
    // Beside the polls: the detail, once for all viewers that came together. The line came to all with a poll.
    expect(statements.length - polls).toBeLessThan(5)
    leave.abort()
    expect(feed.viewers).toBe(0)
    // A look that is under way ends; then there is silence.
    await new Promise((resolve) => setTimeout(resolve, 400))
    const silent = statements.length
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(statements.length).toBe(silent)
  })

  test('keeps nothing for a viewer that reads slowly, and yet it misses nothing', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const slow = eventsOf(await follow(taskId))
    const quick = eventsOf(await follow(taskId))
    await slow.next()
    for (const round of [1, 2, 3]) {
      const text = `insert into async_task_logs (task_id, level, message)
                    select $1, 'INFO', $2 || '.' || i from generate_series(1, 500) i`
      await engines.database.pool.query(text, [taskId, round])
      await messagesUntil(quick, `${round}.500`)
    }
    const messages = await messagesUntil(slow, '3.500')
    expect(messages).toHaveLength(1_500)
    expect(new Set(messages).size).toBe(1_500)
  })

  test('continues after an outage; new viewers meanwhile are rejected', async () => {
    const proxy = await startFaultProxy(engines.database.url)
    const pool = createPool({ connectionString: proxy.url })
    const events = new TaskEvents()
    const said: string[] = []
    events.on('loopFailed', ({ loop }) => said.push(`${loop} failed`))
    events.on('loopRecovered', ({ loop }) => said.push(`${loop} recovered`))
    const recovered = new Promise((resolve) => events.once('loopRecovered', resolve))
    const behind = new TaskFeed(
      createDatabase(pool, { prepared: engines.database.prepared }),
      events,
      redaction,
    )
    onTestFinished(async () => {
      behind.close()
      await pool.end()
      await proxy.close()
    })
    const { manager } = engines.create([])
    const [task, other] = await manager.createTasks([{ task: 'nobody' }, { task: 'nobody' }])
    const options = { afterId: 0, signal: leaving().signal, idleMs: 60_000 }
    const seen = eventsOf(await behind.follow(task.taskId, options))
    await seen.next()
    proxy.set('reset')
    await expect(behind.follow(other.taskId, options)).rejects.toSatisfy(isOutage)
    await insertLine(engines.database.pool, task.taskId, 'meanwhile')
    proxy.set('none')
    await recovered
    expect(await messagesUntil(seen, 'meanwhile')).toEqual(['meanwhile'])
    expect(said).toEqual(['feed failed', 'feed recovered'])
  })

  test('reads many tasks that are opened together in few statements', async () => {
    const { rows } = await engines.database.pool.query<{ taskId: string }>(
      `insert into async_tasks (task_id, task_type) select 'task_many' || i, 'x' from generate_series(1, 300) i
       returning task_id as "taskId"`,
    )
    const streams = await Promise.all(rows.map(({ taskId }) => follow(taskId)))
    const first = await Promise.all(streams.map(async (stream) => (await stream.next()).value?.[0]))
    expect(first).toMatchObject(rows.map(({ taskId }) => ({ type: 'task', task: { taskId } })))
    expect(statements.length).toBeLessThan(30)
  })

  test("ends a stream for a creator once the task is another creator's, and no other stream", async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody', {}, { createdBy: 'a' })
    const options = { afterId: 0, signal: leaving().signal, idleMs: 60_000 }
    const owners = eventsOf(await feed.follow(taskId, { ...options, createdBy: 'a' }))
    const all = eventsOf(await feed.follow(taskId, options))
    for (const events of [owners, all]) {
      expect((await events.next()).value).toMatchObject({ task: { taskId, createdBy: 'a' } })
    }
    const [next, nextOfAll] = [owners.next(), all.next()]
    await engines.database.pool.query(`update async_tasks set created_by = 'b' where task_id = $1`, [taskId])
    expect(await nextOfAll).toMatchObject({ value: { task: { taskId, createdBy: 'b' } } })
    await insertLine(engines.database.pool, taskId, 'secret')
    expect(await messagesUntil(all, 'secret')).toEqual(['secret'])
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('ends what is followed when it is closed', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const events = eventsOf(await follow(taskId))
    await events.next()
    const next = events.next()
    feed.close()
    expect(await next).toEqual({ done: true, value: undefined })
    await expect(follow(taskId)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})

describe('the stream of all tasks', () => {
  const followAll = () => feed.followAll({ signal: leaving().signal, idleMs: 60_000 })

  test('begins with what runs, and shows what is created, changes and ends', async () => {
    const gate = createGate()
    const wait = task('wait')(() => gate.opened)
    const { manager, events: engineEvents } = engines.start([wait], { concurrency: 1 })
    const started = new Promise((resolve) => engineEvents.once('started', resolve))
    const running = await manager.createTask(wait)
    await started
    const done = await manager.createTask('done_before')
    await manager.cancelTask(done.taskId)

    const events = eventsOf(await followAll())
    expect((await events.next()).value).toMatchObject({
      task: { taskId: running.taskId, status: 'running' },
    })
    const pending = await manager.createTask(wait)
    expect((await events.next()).value).toMatchObject({ task: { taskId: pending.taskId, status: 'pending' } })
    await manager.cancelTask(pending.taskId)
    expect((await events.next()).value).toMatchObject({
      task: { taskId: pending.taskId, status: 'cancelled' },
    })
    gate.open()
    const { value } = await events.next()
    expect(value).toMatchObject({ type: 'task', task: { taskId: running.taskId, status: 'completed' } })
    const summary = (await manager.listTasks({ q: running.taskId })).tasks[0]
    expect(value.task).toEqual(summary)
  })

  test('reports a task that ends between two polls', async () => {
    const quick = task('quick')(() => {})
    const { manager } = engines.start([quick])
    const events = eventsOf(await followAll())
    const next = events.next()
    const { taskId } = await manager.createTask(quick)
    await manager.waitFor(taskId)
    const seen = [await next]
    while (seen.at(-1)?.value.task.status !== 'completed') seen.push(await events.next())
    expect(new Set(seen.map(({ value }) => value.task.taskId))).toEqual(new Set([taskId]))
    expect(seen.length).toBeLessThanOrEqual(3)
  })
})

describe('a change of a task that waits', () => {
  const isTask = (taskId: string, fits: (seen: TaskDetail) => boolean) => (event: FeedEvent) =>
    event.type === 'task' && event.task.taskId === taskId && fits(event.task as TaskDetail)

  async function next(events: AsyncIterator<FeedEvent>, fits: (event: FeedEvent) => boolean) {
    for (;;) {
      const { value, done } = await events.next()
      if (done) throw new Error('ended before the event')
      if (fits(value)) return value
    }
  }

  test.each<[string, TaskChanges, (task: TaskDetail) => boolean]>([
    ['its priority', { priority: 7 }, ({ priority }) => priority === 7],
    ['its params', { params: { text: 'new' } }, ({ params }) => params.text === 'new'],
    ['its due time', { runAt: new Date('2099-01-01') }, ({ runAt }) => runAt.getUTCFullYear() === 2099],
  ])('of %s is shown to those who follow the task', async (_what, change, fits) => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('elsewhere', { text: 'old' }, { delayMs: 3_600_000 })
    const events = eventsOf(await follow(taskId))
    await next(
      events,
      isTask(taskId, () => true),
    )
    await manager.updateTask(taskId, change)
    await next(events, isTask(taskId, fits))
  })

  test('is shown to those who follow all tasks, as is its expiry', async () => {
    const { manager, db } = engines.create([])
    const { taskId } = await manager.createTask('elsewhere', {}, { delayMs: 3_600_000 })
    const other = await manager.createTask('elsewhere', {}, { expiresAt: new Date(Date.now() + 300) })
    const steps = await feed.followAll({ signal: leaving().signal, idleMs: 60_000 })
    const events = eventsOf(steps)
    await manager.updateTask(taskId, { runAt: new Date('2099-01-01') })
    const changed = await next(
      events,
      isTask(taskId, ({ runAt }) => runAt.getUTCFullYear() === 2099),
    )
    expect(changed).not.toHaveProperty('task.changedAt')
    await expect.poll(() => expireTasks(db)).toHaveLength(1)
    await next(
      events,
      isTask(other.taskId, ({ status, error }) => status === 'cancelled' && error === 'expired'),
    )
  })
})
