import { type Database, execute, statement, transact } from '../../db/database.ts'
import { IS_WATCHED, reportOf } from './changes.ts'
import type { ListPosition } from './list-branches.ts'
import { ALLOWED } from './operate.ts'
import { DUTIES, EXECUTORS, LOGS, MINUTES, TASKS } from './tables.ts'
import { ofType, TYPES, WALK } from './types-present.ts'

/** Removal of tasks whose time is over, in steps so small that nobody notices them. */

/** Tasks that one step looks at: few, since on a busy machine what runs beside a step waits until it has ended. */
const PRUNE_BATCH = 50
/** Log lines that one step removes: a single task may have a hundred thousand. */
const MAX_LINES = 500

const DUTY = 'prune'

// Nobody takes it for longer than that: an instant further ahead is of a clock that was set back since.
const TAKE = statement(
  'prune_take',
  `insert into ${DUTIES} as d (name, holder, until)
   values ('${DUTY}', $1, now() + $2::float8 * interval '1 millisecond')
   on conflict (name) do update set holder = excluded.holder, until = excluded.until
    where d.until <= now() or d.holder = excluded.holder or d.until > excluded.until + interval '1 minute'
   returning true as taken`,
)

/** Nobody else prunes for this long; false while somebody else does. Taking it again goes on. */
export async function takePruning(db: Database, holder: string, forMs: number): Promise<boolean> {
  return (await execute(db, TAKE, [holder, forMs])).length > 0
}

const LEAVE = statement(
  'prune_leave',
  `update ${DUTIES} set until = now() where name = '${DUTY}' and holder = $1`,
)

/** Somebody else may prune. */
export async function leavePruning(db: Database, holder: string): Promise<void> {
  await execute(db, LEAVE, [holder])
}

// What this process knows it keeps as its definitions say; a type that any other executor knows is that one's business,
// for a day after it has gone.
const FIND_TYPES = statement(
  'prune_types',
  `with recursive ${TYPES}
   select task_type as "taskType"
     from types
    where task_type is not null
      and (task_type = any($1::text[])
           or not exists (select from ${EXECUTORS} e where types.task_type = any(e.task_types)))`,
)

/** Types that have tasks and are this process's to prune: its own, and those that no executor has known for a day. */
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

// Nothing ends before it is created: the walk goes along a type's ended tasks from the oldest and stops where they are
// too young. It passes over what has not ended long enough ago, and over what somebody holds. Lines go first, as
// many as a step may take: the cascade would remove all of a task's at once.
const PRUNE = statement(
  'prune',
  `with looked as materialized (
     select id, created_at
       from (${['completed', 'failed', 'cancelled'].map(oldest).join(' union all ')}) as ends
      order by created_at, id
      limit ${PRUNE_BATCH}
   ), old as materialized (
     select t.id, t.task_id
       from ${TASKS} t
      where t.id = any(array(select id from looked))
        and ${ALLOWED.delete}
        and coalesce(t.completed_at, t.cancelled_at) < now() - $2::float8 * interval '1 millisecond'
      order by t.id
        for update skip locked
   ), said as (
     delete from ${LOGS}
      where id = any(array(
              select l.id
                from ${LOGS} l
               where l.task_id = any(array(select task_id from old))
               limit ${MAX_LINES}))
     returning 1
   ), gone as (
     delete from ${TASKS}
      where id = any(array(select id from old)) and (select count(*) from said) < ${MAX_LINES}
     returning task_id
   ), ${reportOf('gone', IS_WATCHED)}
   select (select count(*) from looked)::int as looked,
          (select count(*) from gone)::int as pruned,
          (select count(*) from said)::int as lines,
          (extract(epoch from last.created_at) * 1000000)::bigint::text as "createdAtMicros", last.id::text as id
     from (select 1) as always
     left join (select created_at, id from looked order by created_at desc, id desc limit 1) as last on true`,
)

// Losing a step in a crash is no loss: nobody's commit need wait for this one's to reach the disk. The walk is the same
// for all values, and planning it takes longer than a step of it: once a connection is enough.
const SETTINGS = `${WALK}; set local synchronous_commit = off; set local plan_cache_mode = force_generic_plan`

/** Before the oldest task. */
export const PRUNE_START: ListPosition = { createdAtMicros: '0', id: '0' }

interface StepRow extends ListPosition {
  readonly looked: number
  readonly pruned: number
  readonly lines: number
}

export interface PruneStep {
  readonly pruned: number
  /** Where the next step goes on; undefined at the end. */
  readonly next: ListPosition | undefined
}

/** Looks at the next tasks of a type and removes those that ended longer ago than this. */
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
  if (!step) throw new Error('the prune did not answer')
  const { looked, pruned, lines, createdAtMicros, id } = step
  // Some lines are left, so the tasks are too: once more from the same place.
  if (lines >= MAX_LINES) return { pruned, next: from }
  return { pruned, next: looked < PRUNE_BATCH ? undefined : { createdAtMicros, id } }
}

const FORGET_MINUTES = statement(
  'prune_minutes',
  `delete from ${MINUTES} where minute < now() - interval '3 hours'`,
)

/** Removes counts that no statistics show any more. */
export async function forgetMinutes(db: Database): Promise<void> {
  await execute(db, FORGET_MINUTES, [])
}
