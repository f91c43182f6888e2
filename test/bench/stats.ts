import { parseArgs } from 'node:util'
import { createPool, endPool } from '../../src/db/client.ts'
import { createDatabase } from '../../src/db/database.ts'
import { Statistics } from '../../src/engine/manager/statistics.ts'
import { describe, withScratchServer } from './scratch-server.ts'

/**
 * How long statistics take over a long history, and how far its estimates are off.
 * `node test/bench/stats.ts --rows 10000000`
 */

const { values } = parseArgs({ options: { rows: { type: 'string', default: '10000000' } } })
const rows = Number(values.rows)

await withScratchServer({ durable: false }, async (url) => {
  const pool = createPool({ connectionString: url })
  const run = (text: string, parameters: unknown[] = []) =>
    // The type of `pg` does not know the limit.
    pool.query({ text, values: parameters, ...{ query_timeout: 600_000 } })
  const ENDED = `insert into async_tasks (task_id, task_type, status, attempt, created_at, started_at, completed_at)
    select 'task_h' || n, 'type' || n % 7,
           case when n % 200 = 0 then 'failed' when n % 300 = 0 then 'cancelled' else 'completed' end,
           1, at, at, at
      from generate_series($1::int, $2::int) n, lateral (select now() - interval '30 days' + n * interval '1 ms' as at) a`
  for (let from = 1; from <= rows; from += 250_000) {
    await run(ENDED, [from, Math.min(from + 249_999, rows)])
  }
  await run(`insert into async_tasks (task_id, task_type, status, attempt, executor_id, started_at)
    select 'task_u' || n, 'type' || n % 7, case when n <= 50 then 'running' else 'pending' end, 1,
           '00000000-0000-4000-8000-000000000001', now()
      from generate_series(1, 5000) n`)
  await run('vacuum analyze async_tasks')

  const db = createDatabase(pool, { prepared: true })
  const times: number[] = []
  for (let i = 0; i < 50; i += 1) {
    const begun = performance.now()
    await new Statistics(db).read()
    times.push(performance.now() - begun)
  }
  const { byStatus, isCapped } = await new Statistics(db).read()
  const { rows: exact } = await run('select status, count(*)::int as count from async_tasks group by status')
  console.log(`statistics over ${rows} ended tasks, 5,000 others: ms`, describe(times))
  console.log({
    isCapped,
    told: byStatus,
    exact: Object.fromEntries(exact.map((row) => [row.status, row.count])),
  })
  await endPool(pool, 5_000)
})
