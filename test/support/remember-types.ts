import type pg from 'pg'

/** Types that an executor had until an hour ago: tasks may be created by these names, and nobody runs them. */
export async function rememberTypes(pool: pg.Pool, ...taskTypes: string[]): Promise<void> {
  await pool.query(
    `insert into async_task_executors
       (executor_id, host, pid, version, slots, task_types, lease_ms, started_at, heartbeat_at, stopped_at)
     values (gen_random_uuid(), 'h', 1, 'v', 1, $1, 30000, now() - interval '2 hours',
             now() - interval '1 hour', now() - interval '1 hour')`,
    [taskTypes],
  )
}
