import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { isOutage } from '../../../src/db/errors.ts'
import { TaskFeed } from '../../../src/engine/feed/feed.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { slowPool } from '../../support/slow-pool.ts'
import { eventsOf, insertLine, leaving, messagesUntil, redaction, useWatcher } from './watcher.ts'

const watcher = useWatcher('nobody')
const { engines, statements, follow } = watcher

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
    expect(watcher.feed.viewers).toBe(0)
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
    const { feed: behind, proxy, reported, recovery } = await behindProxy()
    const recovered = recovery()
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
    expect(reported).toEqual(['feed failed', 'feed recovered'])
  })

  test('goes on for a viewer whose page of the log could not be read during an outage', async () => {
    const { manager, db } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    for (const message of ['first', 'last']) await insertLine(engines.database.pool, taskId, message)
    let failures = 0
    const pool = slowPool(engines.database.pool, (query, send) => {
      if (!query.text.includes('order by l.id asc limit') || failures > 0) return send()
      failures += 1
      return Promise.reject(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    })
    const feed = new TaskFeed({ ...db, pool }, new TaskEvents(), redaction)
    onTestFinished(() => feed.close())
    const seen = eventsOf(await feed.follow(taskId, { afterId: 0, signal: leaving().signal, idleMs: 60_000 }))
    expect(await messagesUntil(seen, 'last')).toEqual(['first', 'last'])
    expect(failures).toBe(1)
  })

  test('reports the end of an outage that its last viewer did not wait for', async () => {
    const { feed, proxy, reported, recovery } = await behindProxy()
    const { taskId } = await engines.create([]).manager.createTask('nobody')
    const options = { afterId: 0, signal: leaving().signal, idleMs: 60_000 }
    const outage = async () => {
      const recovered = recovery()
      proxy.set('reset')
      for (let viewer = 0; viewer < 3; viewer += 1) {
        await expect(feed.follow(taskId, options)).rejects.toSatisfy(isOutage)
      }
      proxy.set('none')
      await recovered
    }
    await outage()
    await outage()
    expect(reported).toEqual(['feed failed', 'feed recovered', 'feed failed', 'feed recovered'])
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
    const owners = eventsOf(await watcher.feed.follow(taskId, { ...options, createdBy: 'a' }))
    const all = eventsOf(await watcher.feed.follow(taskId, options))
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
    watcher.feed.close()
    expect(await next).toEqual({ done: true, value: undefined })
    await expect(follow(taskId)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})

/** A feed whose connections pass a proxy, and what its loop has reported. */
async function behindProxy() {
  const proxy = await startFaultProxy(engines.database.url)
  const pool = createPool({ connectionString: proxy.url })
  const events = new TaskEvents()
  const reported: string[] = []
  events.on('loopFailed', ({ loop }) => reported.push(`${loop} failed`))
  events.on('loopRecovered', ({ loop }) => reported.push(`${loop} recovered`))
  const { prepared, schema } = engines.database
  const feed = new TaskFeed(createDatabase(pool, { prepared, schema }), events, redaction)
  onTestFinished(async () => {
    feed.close()
    await pool.end()
    await proxy.close()
  })
  const recovery = () => new Promise((resolve) => events.once('loopRecovered', resolve))
  return { feed, proxy, reported, recovery }
}
