import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import { createPool } from '../../src/db/client.ts'
import asyncTasks from '../../src/index.ts'
import { withScratchServer } from './scratch-server.ts'

/**
 * Many callers of `waitFor` whose tasks another process ends in one statement: how long that blocks the event loop at a
 * time, and until the last one has its task.
 *
 * node test/bench/waiters.ts --waiters 100000
 */

const { values } = parseArgs({ options: { waiters: { type: 'string', default: '20000' } } })

await withScratchServer({ durable: false }, async (url) => {
  const app = Fastify()
  await app.register(asyncTasks, { connectionString: url, executor: false, routes: false, tasks: [] })
  await app.ready()
  const pool = createPool({ connectionString: url })
  const { rows } = await pool.query<{ taskId: string }>(
    `insert into async_tasks (task_id, task_type, status, attempt, started_at)
     select 'task_' || i, 'awaited', 'running', 1, now() from generate_series(1, $1::int) i
     returning task_id as "taskId"`,
    [Number(values.waiters)],
  )
  await pool.query('analyze async_tasks')
  const waits = await measure('first reads', async () => {
    const all = rows.map(({ taskId }) => app.tasks.waitFor(taskId))
    await app.tasks.waitFor('task_none').catch(() => {})
    return all
  })
  await pool.query(
    `update async_tasks set status = 'completed', completed_at = now(), result = '{"rows":42}'`,
  )
  await measure('ends', () => Promise.all(waits))
  await pool.end()
  await app.close()
})

async function measure<T>(what: string, work: () => Promise<T>): Promise<T> {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const begun = performance.now()
  const made = await work()
  const seconds = (performance.now() - begun) / 1_000
  delays.disable()
  console.log(
    `${what}: ${seconds.toFixed(2)} s, event loop blocked at most ${(delays.max / 1e6).toFixed(0)} ms`,
  )
  return made
}
