import { type Database, execute, statement } from '../../db/database.ts'
import { codeOf, LOCK_NOT_AVAILABLE } from '../../db/errors.ts'
import type { LogLevel } from '../definition/lifecycle.ts'
import { type Fence, fenceValues, HOLDS_FENCE_BRIEFLY, runKey, WAITS_BRIEFLY } from './fence.ts'
import type { LockedRows } from './operate.ts'
import { LOGS, TASKS } from './tables.ts'

export interface ProgressUpdate extends Fence {
  readonly progress: number
  readonly total: number
  readonly step: string | null
}

// Progress never falls within a run, whether the handler or a caller reports it, and a total below it would violate a
// constraint. `free` skips
// locked rows; whether the run still owns one of those is read without a lock.
const PROGRESS = statement(
  'progress',
  `with given as (
     select * from unnest($2::text[], $3::int[], $4::int[], $5::int[], $6::text[])
       as given (task_id, attempt, progress, total, step)
   ), free as (
     select t.id
       from ${TASKS} t
       join given on t.task_id = given.task_id and t.attempt = given.attempt
      where t.executor_id = $1 and t.status = 'running'
        for no key update of t skip locked
   ), written as (
     update ${TASKS} t
        set progress = greatest(t.progress, given.progress),
            total = case when given.total = 0 then 0
                         else greatest(given.total, given.progress, t.progress) end,
            step = given.step
       from given
      where t.id in (select id from free) and t.task_id = given.task_id and t.attempt = given.attempt
     returning t.task_id, t.attempt
   )
   select given.task_id as "taskId", given.attempt,
          case when written.task_id is not null then 'written'
               when t.status = 'running' and t.executor_id = $1 then 'locked'
               when t.status = 'completed' and t.executor_id = $1 then 'ended'
               else 'lost' end as "end"
     from given
     left join written using (task_id, attempt)
     left join ${TASKS} t on t.task_id = given.task_id and t.attempt = given.attempt`,
)

/** `locked`: try again. `ended`: the run has completed its task. `lost`: the fence does not hold. */
export type ProgressEnd = 'written' | 'locked' | 'ended' | 'lost'

export async function writeProgress(
  db: Database,
  executorId: string,
  updates: readonly ProgressUpdate[],
): Promise<Map<string, ProgressEnd>> {
  const rows = await execute<{ taskId: string; attempt: number; end: ProgressEnd }>(db, PROGRESS, [
    executorId,
    updates.map((update) => update.taskId),
    updates.map((update) => update.attempt),
    updates.map((update) => update.progress),
    updates.map((update) => update.total),
    updates.map((update) => update.step),
  ])
  return new Map(rows.map((row) => [runKey(row), row.end]))
}

const PROGRESS_WAITING = statement(
  'progress_waiting',
  `update ${TASKS}
      set progress = greatest(progress, $4),
          total = case when $5::int = 0 then 0 else greatest($5, $4, progress) end,
          step = $6
    where ${HOLDS_FENCE_BRIEFLY}
   returning true as written`,
)

/** Waits half a second for a locked row; returns false if that was too short or the fence does not hold. */
export async function writeLockedProgress(db: Database, update: ProgressUpdate): Promise<boolean> {
  const values = [...fenceValues(update), update.progress, update.total, update.step]
  try {
    return (await execute(db, PROGRESS_WAITING, values)).length > 0
  } catch (error) {
    if (codeOf(error) === LOCK_NOT_AVAILABLE) return false
    throw error
  }
}

// As in a run: a given total bounds the progress, a missing one rises with it, 0 is unknown.
const BOUNDED = 'greatest(progress, case when $3::int > 0 then least($2::int, $3::int) else $2::int end)'

const OUTSIDE_PROGRESS = statement(
  'outside_progress',
  `update ${TASKS}
      set progress = ${BOUNDED},
          total = case when coalesce($3, total) = 0 then 0 else greatest(coalesce($3, total), ${BOUNDED}) end,
          step = coalesce($4, step)
    where task_id = $1 and status = 'running' and ${WAITS_BRIEFLY}
   returning true as written`,
)

export async function updateProgress(
  db: Database,
  taskId: string,
  progress: { current: number; total: number | null; step: string | null },
): Promise<boolean> {
  const values = [taskId, progress.current, progress.total, progress.step]
  return (await execute(db, OUTSIDE_PROGRESS, values)).length > 0
}

export interface NewLogLine {
  readonly taskId: string
  readonly attempt: number | null
  readonly level: LogLevel
  readonly message: string
  readonly data: string | null
  readonly ageMs: number
}

// Takes the foreign key's lock before the check, so that the check stays true: a task may be deleted while its lines
// wait. Lines of tasks locked for update are skipped, so as not to delay others.
const appendTo = (locked: string) => `with present as (
     select task_id from ${TASKS} where task_id = any($1::text[]) ${locked}
   ), appended as (
   insert into ${LOGS} (task_id, attempt, level, message, data, created_at)
   select given.task_id, attempt, level, message, data, now() - age_ms * interval '1 millisecond'
     from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::float8[])
       with ordinality as given (task_id, attempt, level, message, data, age_ms, position)
    where given.task_id in (select task_id from present)
    order by position
   )
   select t.task_id as "taskId", t.task_id not in (select task_id from present) as locked
     from ${TASKS} t
    where t.task_id = any($1::text[])`
const APPEND_LOGS = {
  skip: statement('append_logs', appendTo('for key share skip locked')),
  wait: statement('append_logs_waiting', appendTo(`and ${WAITS_BRIEFLY} for key share`)),
}

/** Tasks that exist: with lines written, or skipped because a transaction locks the row. */
export interface AppendedLogs {
  readonly written: ReadonlySet<string>
  readonly locked: ReadonlySet<string>
}

/** Discards lines of a task in neither set: it is gone. `wait` waits half a second for locked rows. */
export async function appendLogs(
  db: Database,
  lines: readonly NewLogLine[],
  lockedRows: LockedRows = 'skip',
): Promise<AppendedLogs> {
  const rows = await execute<{ taskId: string; locked: boolean }>(db, APPEND_LOGS[lockedRows], [
    lines.map((line) => line.taskId),
    lines.map((line) => line.attempt),
    lines.map((line) => line.level),
    lines.map((line) => line.message),
    lines.map((line) => line.data),
    lines.map((line) => line.ageMs),
  ])
  const ids = (locked: boolean) =>
    new Set(rows.filter((row) => row.locked === locked).map((row) => row.taskId))
  return { written: ids(false), locked: ids(true) }
}
