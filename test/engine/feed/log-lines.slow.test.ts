import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { TaskLogLine } from '../../../src/contract/task.ts'
import { eventsOf, insertLine, messagesUntil, useWatcher } from './watcher.ts'

const { engines, statements, follow, openTransaction } = useWatcher('nobody')

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
