import { type Database, execute, statement, transact } from '../../db/database.ts'
import { IS_WATCHED, reportDeletedCte } from './changes.ts'
import type { ListPosition } from './list-branches.ts'
import { ALLOWED } from './operate.ts'
import { DUTIES, EXECUTORS, LOGS, STEPS, TASKS } from './tables.ts'
import { ofType, TYPES, WALK } from './types-present.ts'

/** Tasks per step: few, because on a busy machine everything beside a step waits for it. */
const PRUNE_BATCH = 50
/** Log lines and task steps per step: a single task may have a hundred thousand. */
const MAX_LINES = 500

const DUTY = 'prune'

// A duty further ahead than its duration was written before the clock was set back.
const TAKE = statement(
  'prune_take',
  `insert into ${DUTIES} as d (name, holder, until)
   values ('${DUTY}', $1, now() + $2::float8 * interval '1 millisecond')
   on conflict (name) do update set holder = excluded.holder, until = excluded.until
    where d.until <= now() or d.holder = excluded.holder or d.until > excluded.until + interval '1 minute'
   returning true as held`,
)

export async function holdPruning(db: Database, holder: string, forMs: number): Promise<boolean> {
  return (await execute(db, TAKE, [holder, forMs])).length > 0
}

const LEAVE = statement(
  'prune_leave',
  `update ${DUTIES} set until = now() where name = '${DUTY}' and holder = $1`,
)

export async function releasePruning(db: Database, holder: string): Promise<void> {
  await execute(db, LEAVE, [holder])
}

// Types of other executors are theirs to prune, until a day after they have gone.
const FIND_TYPES = statement(
  'prune_types',
  `with recursive ${TYPES}
   select task_type as "taskType"
     from types
    where task_type is not null
      and (task_type = any($1::text[])
           or not exists (select from ${EXECUTORS} e where types.task_type = any(e.task_types)))`,
)

export async function findTypesToPrune(db: Database, ownTypes: readonly string[]): Promise<string[]> {
  const rows = await execute<{ taskType: string }>(db, FIND_TYPES, [ownTypes])
  return rows.map((row) => row.taskType)
}

const oldest = (status: string) => `(select t.id, t.created_at
               from ${TASKS} t
              where ${ofType('$1::text', status)}
                and t.created_at < now() - $2::float8 * interval '1 millisecond'
                and (t.created_at, t.id) > (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::bigint)
              order by t.created_at, t.id
              limit ${PRUNE_BATCH})`

// Walks a type's ended tasks from the oldest, stops at those too young, and skips locked ones. Deletes lines and steps
// first and in batches: the cascade would delete all of a task at once.
const PRUNE = statement(
  'prune',
  `with scanned as materialized (
     select id, created_at
       from (${['completed', 'failed', 'cancelled'].map(oldest).join(' union all ')}) as ends
      order by created_at, id
      limit ${PRUNE_BATCH}
   ), old as materialized (
     select t.id, t.task_id
       from ${TASKS} t
      where t.id = any(array(select id from scanned))
        and ${ALLOWED.delete}
        and coalesce(t.completed_at, t.cancelled_at) < now() - $2::float8 * interval '1 millisecond'
      order by t.id
        for update skip locked
   ), deleted_lines as (
     delete from ${LOGS}
      where id = any(array(
              select l.id
                from ${LOGS} l
               where l.task_id = any(array(select task_id from old))
               limit ${MAX_LINES}))
     returning 1
   ), deleted_steps as (
     delete from ${STEPS}
      where (task_id, name) in (
              select s.task_id, s.name
                from ${STEPS} s
               where s.task_id = any(array(select task_id from old))
               limit ${MAX_LINES})
     returning 1
   ), gone as (
     delete from ${TASKS}
      where id = any(array(select id from old)) and (select count(*) from deleted_lines) < ${MAX_LINES}
        and (select count(*) from deleted_steps) < ${MAX_LINES}
     returning task_id, created_by
   ), ${reportDeletedCte('gone', IS_WATCHED)}
   select (select count(*) from scanned)::int as scanned,
          (select count(*) from gone)::int as pruned,
          greatest((select count(*) from deleted_lines), (select count(*) from deleted_steps))::int as lines,
          (extract(epoch from last.created_at) * 1000000)::bigint::text as "createdAtMicros", last.id::text as id
     from (select 1) as always
     left join (select created_at, id from scanned order by created_at desc, id desc limit 1) as last on true`,
)

// A step lost in a crash is repeated, so no commit waits for the disk. Planning a step takes longer than running it, so
// the plan is kept.
const SETTINGS = `${WALK}; set local synchronous_commit = off; set local plan_cache_mode = force_generic_plan`

export const PRUNE_START: ListPosition = { createdAtMicros: '0', id: '0' }

interface StepRow extends ListPosition {
  readonly scanned: number
  readonly pruned: number
  readonly lines: number
}

export interface PruneStep {
  readonly pruned: number
  readonly next: ListPosition | undefined
}

export async function pruneStep(
  db: Database,
  taskType: string,
  olderThanMs: number,
  from: ListPosition,
): Promise<PruneStep> {
  const values = [taskType, olderThanMs, from.createdAtMicros, from.id]
  const step = await transact(db, async (client) => {
    await client.query(SETTINGS)
    return (await client.execute<StepRow>(PRUNE, values))[0]
  })
  if (!step) throw new Error('a prune step returned no row')
  const { scanned, pruned, lines, createdAtMicros, id } = step
  // Some lines are left, and so are their tasks: repeats from the same position.
  if (lines >= MAX_LINES) return { pruned, next: from }
  return { pruned, next: scanned < PRUNE_BATCH ? undefined : { createdAtMicros, id } }
}
