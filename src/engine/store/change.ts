import { arrayLiteral, type Database, execute, statement } from '../../db/database.ts'
import { secondsBetween } from '../../db/reading.ts'
import type { AuditedChange } from '../definition/actor.ts'
import type { StoredParams } from '../definition/params.ts'
import { auditCte, changeValue } from './audit.ts'
import { reportCte } from './changes.ts'
import { NOT_EXPIRED } from './claim-branches.ts'
import { WAITS_BRIEFLY } from './fence.ts'
import { DETAIL_COLUMNS, type DetailRow, TASK_COLUMNS, type TaskRow } from './rows.ts'
import { PARAMS, STEPS, TASKS } from './tables.ts'

/**
 * Changes of a task that waits. One statement each: a claim starts the task as it was or as it has become, see `claim.ts`.
 *
 * It changes only the version of the row that was read before, and that its own snapshot shows: it would replace params
 * that it does not see. Nor does it wait for a claim, or for any other lock. The caller reads and tries again.
 */

const FIND_WAITING = statement(
  'find_waiting',
  `select ${DETAIL_COLUMNS}, t.xmin::text as version,
          t.status = 'pending' and ${NOT_EXPIRED} as "isWaiting"
     from ${TASKS} t
    where t.task_id = $1`,
)

export interface WaitingRow extends DetailRow {
  /** Another one after every write of the row. */
  readonly version: string
  /** Pending, and it may still be started. */
  readonly isWaiting: boolean
}

/** A task in any status, with what a change has to know; undefined where there is none. */
export async function findWaiting(db: Database, taskId: string): Promise<WaitingRow | undefined> {
  const [row] = await execute<WaitingRow>(db, FIND_WAITING, [taskId])
  return row
}

// The sleep of a task that sleeps is over when the task is due.
const sleepsUntilDue = (condition = '') => `slept as (
     update ${STEPS} s
        set ended_at = greatest(changed.run_at, now())
       from changed
      where s.task_id = changed.task_id and s.ended_at > now()${condition}
   ), `

/** $1 task, $2 version; `audit`: number of the parameter with the entry. */
const changing = (audit: number, set: string, more = sleepsUntilDue()) => `with seen as materialized (
     select id, ctid as place
       from ${TASKS}
      where task_id = $1 and xmin::text = $2 and status = 'pending' and ${NOT_EXPIRED}
        and ${WAITS_BRIEFLY}
   ), locked as materialized (
     select free.id
       from seen
      cross join lateral (select c.id from ${TASKS} c
                           where c.ctid = seen.place and (c.ctid = seen.place) is true and c.status = 'pending'
                             for no key update skip locked) free
   ), changed as (
     update ${TASKS} t
        set changed_at = now(), ${set}
       from locked
      where t.id = locked.id
     returning t.*
   ), ${more}${auditCte('changed', 'changed.task_id', audit)}, ${reportCte('changed')}
   select ${TASK_COLUMNS}, ${secondsBetween('now()', 't.run_at')} * 1000 as "inMs" from changed t`

// $5: the new key of a task that has $6, the key of its old params, and not one of its own. $8 and $9: keys and values of
// new params, where $7 is true: then the steps, which are those of the old ones, are deleted, and a
// sleeper's progress with them. No row is changed twice in the same statement.
const CHANGE = statement(
  'change',
  changing(
    11,
    `priority = coalesce($3::smallint, t.priority), run_at = coalesce($4::timestamptz, t.run_at),
            concurrency_key = case when t.concurrency_key = $6 then $5 else t.concurrency_key end,
            rate_key = case when $7::boolean then $10 else t.rate_key end,
            progress = case when $7::boolean then 0 else t.progress end,
            total = case when $7::boolean then 0 else t.total end,
            step = case when not $7::boolean then t.step end`,
    `${sleepsUntilDue(' and not $7::boolean')}forgotten as (
     delete from ${STEPS} where $7::boolean and task_id in (select task_id from changed)
   ), removed as (
     delete from ${PARAMS}
      where $7::boolean and task_id in (select task_id from changed) and key <> all($8::text::text[])
   ), written as (
     insert into ${PARAMS} (task_id, key, value)
     select changed.task_id, given.key, given.value
       from changed cross join unnest($8::text::text[], $9::text::text[]) as given (key, value)
     on conflict (task_id, key) do update set value = excluded.value
   ), `,
  ),
)

// A task that is due keeps its place among those that are.
const RUN_NOW = statement('run_now', changing(3, 'run_at = least(t.run_at, now())'))

export interface TaskChange {
  readonly priority?: number | undefined
  readonly runAt?: Date | undefined
  readonly params?: StoredParams | undefined
  /** The rate key of the new params. */
  readonly rateKey?: string | null | undefined
  /** The concurrency key that the type makes of the old params, and of the new ones. */
  readonly concurrencyKey?: { readonly from: string | null; readonly to: string | null } | undefined
}

export interface ChangedRow extends TaskRow {
  /** Until it is due; negative: since when it has been. */
  readonly inMs: number
}

/** The row as it has become; undefined where it does not wait, is locked, or has another version. */
export async function changeTask(
  db: Database,
  { taskId, version }: WaitingRow,
  { priority, runAt, params, concurrencyKey, rateKey }: TaskChange,
  audited?: AuditedChange,
): Promise<ChangedRow | undefined> {
  const [row] = await execute<ChangedRow>(db, CHANGE, [
    taskId,
    version,
    priority ?? null,
    runAt?.toISOString() ?? null,
    concurrencyKey?.to ?? null,
    concurrencyKey?.from ?? null,
    params !== undefined,
    arrayLiteral([...(params?.keys() ?? [])]),
    arrayLiteral([...(params?.values() ?? [])]),
    rateKey ?? null,
    changeValue(audited),
  ])
  return row
}

/** The same for a task that is to start at once. */
export async function runTaskNow(
  db: Database,
  { taskId, version }: WaitingRow,
  audited?: AuditedChange,
): Promise<ChangedRow | undefined> {
  const [row] = await execute<ChangedRow>(db, RUN_NOW, [taskId, version, changeValue(audited)])
  return row
}
