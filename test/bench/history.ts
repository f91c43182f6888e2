import type { Pool } from './server.ts'

export interface HistorySize {
  readonly finished: number
  /** Pending, due days from now. */
  readonly scheduled: number
}

const CHUNK = 1_000_000

/**
 * Fills the engine's tables with what years of work leave behind: mostly completed, some failed and cancelled tasks of
 * twenty types, created over thirty days, and tasks scheduled for later, some of them of a higher priority. One in ten
 * has params. Indexes that serve no constraint are built afterwards, which is a lot faster.
 */
export async function fillHistory(pool: Pool, size: HistorySize): Promise<void> {
  const client = await pool.connect()
  try {
    // References and identities are right by construction.
    await client.query(`set session_replication_role = replica`)
    await client.query(`set maintenance_work_mem = '512MB'`)
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(FREE_INDEXES)
    for (const { name } of indexes) await client.query(`drop index ${name}`)
    for (let from = 0; from < size.finished; from += CHUNK) {
      console.log(`finished tasks: ${from} of ${size.finished}`)
      await client.query(FINISHED, [from, Math.min(CHUNK, size.finished - from), size.finished])
    }
    await client.query(SCHEDULED, [size.finished, size.scheduled])
    await client.query(PARAMS)
    console.log('indexes')
    for (const { definition } of indexes) await client.query(definition)
    await client.query('vacuum (analyze)')
    await client.query('checkpoint')
  } finally {
    client.release(true)
  }
}

const FREE_INDEXES = `
  select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
    from pg_index i
   where i.indrelid = any(array['async_tasks', 'async_task_params']::regclass[])
     and not exists (select from pg_constraint c where c.conindid = i.indexrelid)`

/** Ids like the engine's: time first, then what makes them unique. */
const taskId = (created: string) =>
  `'task_' || lpad(to_hex((extract(epoch from ${created}) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 19)`

const FINISHED = `
  insert into async_tasks
         (task_id, task_type, status, attempt, executor_id, retry_count, error_message,
          run_at, created_at, started_at, completed_at, cancelled_at)
  select ${taskId('created')}, 'type_' || n % 20, status, 1, '00000000-0000-4000-8000-000000000001', 0,
         case when status = 'failed' then 'the other side did not answer' end,
         created, created, created + interval '1 second',
         case when status <> 'cancelled' then created + interval '2 seconds' end,
         case when status = 'cancelled' then created + interval '2 seconds' end
    from (select n, now() - interval '30 days' * (1 - n::float8 / $3::float8) - interval '1 minute' as created,
                 case when n % 100 < 94 then 'completed' when n % 100 < 98 then 'failed' else 'cancelled' end as status
            from generate_series($1::bigint + 1, $1::bigint + $2::bigint) as n) as given
   order by n`

const SCHEDULED = `
  insert into async_tasks (task_id, task_type, priority, run_at, created_at)
  select ${taskId('created')}, 'type_' || n % 20, case when n % 10 = 0 then n % 7 else 0 end,
         now() + interval '1 day' * (1 + n % 30), created
    from (select n, now() - interval '1 minute' as created
            from generate_series($1::bigint + 1, $1::bigint + $2::bigint) as n) as given
   order by n`

const PARAMS = `
  insert into async_task_params (task_id, key, value)
  select task_id, 'n', id::text from async_tasks where id % 10 = 0`
