import type pg from 'pg'

/** Rows that no scenario has any business with, and that nobody may touch. */
const INSERT = `
  insert into async_tasks (task_id, task_type, status, attempt, executor_id, run_at, started_at, completed_at,
                           cancelled_at, result, error_message, retry_count)
  values ('task_bystandercompleted', 'work', 'completed', 1, gen_random_uuid(), now(), now(), now(), null, '1', null, 0),
         ('task_bystanderfailed', 'work', 'failed', 4, gen_random_uuid(), now(), now(), now(), null, null, 'no', 3),
         ('task_bystandercancelled', 'work', 'cancelled', 1, gen_random_uuid(), now(), now(), null, now(), null, null, 0),
         ('task_bystanderlater', 'work', 'pending', 0, null, now() + interval '1 day', null, null, null, null, null, 0)`

// A row's xmin changes with every update, also with one that writes what was there.
const SELECT = `
  select to_jsonb(t) as row, xmin::text from async_tasks t where starts_with(task_id, 'task_bystander') order by id`

export async function addBystanders(pool: pg.Pool): Promise<unknown[]> {
  await pool.query(INSERT)
  return readBystanders(pool)
}

export async function readBystanders(pool: pg.Pool): Promise<unknown[]> {
  return (await pool.query(SELECT)).rows
}
