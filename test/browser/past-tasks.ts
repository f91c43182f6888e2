import type { TestDatabase } from '../support/database.ts'

export const TASKS = 10_000

/** Tasks of the past: rows as the engine leaves them. */
export async function fillTable({ pool }: TestDatabase): Promise<void> {
  await pool.query(
    `insert into async_tasks (task_id, task_type, status, progress, total, error_message, retry_count, max_retries,
       timeout_seconds, created_at, run_at, started_at, completed_at)
     select 'task_' || md5(n::text), 'backfill_by_date', case when n % 7 = 0 then 'failed' else 'completed' end,
       100, 100, case when n % 7 = 0 then 'the source did not answer within 30 s' end, 0, 3, 60,
       now() - n * interval '1 second', now() - n * interval '1 second', now() - n * interval '1 second', now()
     from generate_series(1, $1::int) as n`,
    [TASKS],
  )
}
