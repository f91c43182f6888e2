import { type Database, execute, plainArray, statement } from '../../db/database.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import { recordAttempts } from './attempts.ts'
import {
  BACK_TO_PENDING,
  type Fence,
  fenceValues,
  HOLDS_FENCE,
  HOLDS_FENCE_BRIEFLY,
  WAITS_BRIEFLY,
} from './fence.ts'
import {
  createFollowUps,
  FOLLOW_UP,
  type FollowUp,
  type FollowUpColumns,
  withFollowUp,
} from './follow-ups.ts'
import { compareIds } from './rows.ts'
import { ATTEMPTS, LOGS, TASKS } from './tables.ts'

/** False: the fence does not hold. */
type Written = Promise<boolean>

// A completed task has progress = total; without a known total, the progress becomes the total.
const completed = (result: string, total: string, progress: string, step: string) => `
          status = 'completed', completed_at = now(), result = ${result}, error_message = null,
          total = greatest(coalesce(${total}, total), progress, ${progress}),
          progress = greatest(coalesce(${total}, total), progress, ${progress}),
          step = coalesce(${step}, step)`

function completeOne(stopping: boolean): string {
  return `update ${TASKS}
      set ${completed('$4', '$5::int', '$6::int', '$7')}, stopping = ${stopping}
    where ${stopping ? HOLDS_FENCE : HOLDS_FENCE_BRIEFLY}
   returning true as written`
}

/** The handler's transaction still runs: no one may retry the task before the handler returns. */
export const COMPLETE_ONE = completeOne(true)

// Ids in $1 ascend, so width_bucket finds a row's place in the other arrays by binary search. A join with unnest may
// become a nested loop over all running rows (70 to 110 ms instead of 12 to 15 for 500). The task id is compared too:
// after a failover the row id may belong to another task.
const POSITION = 'width_bucket(t.id, $1::bigint[])'
const itemOf = (array: string) => `(${array})[${POSITION}]`
const completeMany = (set: string) => `update ${TASKS} t
      set ${set}
    where t.id = any(array(select id from ${TASKS} where id = any($1::bigint[]) for no key update skip locked))
      and t.task_id = ${itemOf('$4::text[]')} and t.attempt = ${itemOf('$2::int[]')} and t.executor_id = $3
      and t.status = 'running'
   returning ${POSITION} as position`
const COMPLETE = statement(
  'complete',
  completeMany(
    completed(itemOf('$5::text[]'), itemOf('$6::int[]'), itemOf('$7::int[]'), itemOf('$8::text[]')),
  ),
)
const COMPLETE_SILENT = statement('complete_silent', completeMany(completed('null', 'null', '0', 'null')))

export interface LastProgress {
  readonly progress: number
  readonly total: number
  readonly step: string | null
}

export interface CompletedRun {
  readonly id: string
  readonly taskId: string
  readonly attempt: number
  readonly result: string | null
  readonly last: LastProgress | undefined
}

export const COMPLETION_BATCH = {
  maxItems: 500,
  maxBytes: 4 * 1_048_576,
  bytesOf: (run: CompletedRun) => run.result?.length ?? 0,
}

/** Returns which runs were written. For the others, which lost their fence or are locked, call `completeTask`. */
export async function completeTasks(
  db: Database,
  executorId: string,
  runs: readonly CompletedRun[],
): Promise<boolean[]> {
  const sorted = runs.toSorted((a, b) => compareIds(a.id, b.id))
  const values = completionBatch(executorId, sorted)
  const isSilent = runs.every((run) => run.result === null && run.last === undefined)
  const rows = isSilent
    ? await execute<{ position: number }>(db, COMPLETE_SILENT, values.slice(0, 4))
    : await execute<{ position: number }>(db, COMPLETE, values)
  const written = new Set(rows.map(({ position }) => sorted[position - 1]))
  return runs.map((run) => written.has(run))
}

function completionBatch(executorId: string, sorted: readonly CompletedRun[]): unknown[] {
  return [
    plainArray(sorted.map((run) => run.id)),
    plainArray(sorted.map((run) => run.attempt)),
    executorId,
    taskIdArray(sorted.map((run) => run.taskId)),
    sorted.map((run) => run.result),
    sorted.map((run) => run.last?.total ?? null),
    sorted.map((run) => run.last?.progress ?? null),
    sorted.map((run) => run.last?.step ?? null),
  ]
}

/** Rows inserted by others may have any text as id. */
function taskIdArray(taskIds: readonly string[]): string | readonly string[] {
  return taskIds.every((taskId) => TASK_ID.test(taskId)) ? plainArray(taskIds) : taskIds
}

const COMPLETE_WAITING = statement('complete_waiting', completeOne(false))

export async function completeTask(
  db: Database,
  executorId: string,
  { taskId, attempt, result, last }: CompletedRun,
): Written {
  const values = completionValues({ taskId, attempt, executorId }, result, last)
  return (await execute(db, COMPLETE_WAITING, values)).length > 0
}

export function completionValues(
  fence: Fence,
  result: string | null,
  last: LastProgress | undefined,
): unknown[] {
  return [...fenceValues(fence), result, last?.total ?? null, last?.progress ?? null, last?.step ?? null]
}

const recordAttempt = (outcome: string, error: string, stack: string, spentRetry = 'null::boolean') => `
   ${recordAttempts('ended', { executor: 'executor', outcome, error, stack, spentRetry })}`

const logError = (message: string, level = `'ERROR'`) => `
   logged as (
     insert into ${LOGS} (task_id, attempt, level, message)
     select task_id, attempt, ${level}, ${message} from ended
   )`

const RETRY_LATER = statement(
  'retry_later',
  `with ended as (
     update ${TASKS}
        set ${BACK_TO_PENDING}, retry_count = retry_count + $8::int, error_message = $4,
            run_at = now() + $6::float8 * interval '1 millisecond'
      where ${HOLDS_FENCE_BRIEFLY}
     returning task_id, attempt, $3::uuid as executor, started_at, run_at
   ),${recordAttempt('$5', '$4', '$7', 'case when $8::int = 0 then false end')},
   ${logError('$4', `case when $8::int = 0 then 'WARNING' else 'ERROR' end`)}
   select (extract(epoch from run_at) * 1000)::float8 as "dueAt" from ended`,
)

/** Returns when it is due, in milliseconds of the database's clock; undefined: the fence does not hold. */
export async function retryTaskLater(
  db: Database,
  fence: Fence,
  failure: { error: string; stack: string | null; outcome: string; delayMs: number; spendsRetry: boolean },
): Promise<number | undefined> {
  const { error, stack, outcome, delayMs, spendsRetry } = failure
  const values = [...fenceValues(fence), error, outcome, delayMs, stack, spendsRetry ? 1 : 0]
  return (await execute<{ dueAt: number }>(db, RETRY_LATER, values))[0]?.dueAt
}

const FAIL = statement(
  'fail',
  `with ended as (
     update ${TASKS}
        set status = 'failed', completed_at = now(), error_message = $4, error_group = $8, stopping = $6
      where ${HOLDS_FENCE_BRIEFLY}
     returning task_id, task_type, attempt, $3::uuid as executor, started_at, created_by, error_message
   ),${recordAttempt('$5', '$4', '$7')},${logError('$4')}, ${createFollowUps('ended')}
   select ${FOLLOW_UP} from ended left join followed on true`,
)

/** Whether the fence held, and the follow-up if the type has one. `stillRunning`: the handler has not returned, so an operator's retry must wait for it. */
export async function failTask(
  db: Database,
  fence: Fence,
  failure: {
    error: string
    errorGroup: string
    stack: string | null
    outcome: string
    stillRunning: boolean
  },
): Promise<{ written: boolean; followUp?: FollowUp }> {
  const { error, errorGroup, stack, outcome, stillRunning } = failure
  const values = [...fenceValues(fence), error, outcome, stillRunning, stack, errorGroup]
  const [row] = await execute<FollowUpColumns>(db, FAIL, values)
  return row ? withFollowUp({ ...row, written: true }) : { written: false }
}

const RELEASE = statement(
  'release',
  `with ended as (
     update ${TASKS}
        set ${BACK_TO_PENDING}, run_at = now() + $4::float8 * interval '1 millisecond'
      where ${HOLDS_FENCE_BRIEFLY}
     returning task_id, attempt, $3::uuid as executor, started_at
   ),${recordAttempt(`'interrupted'`, 'null', 'null')}
   select true as written from ended`,
)

export async function releaseTask(db: Database, fence: Fence, delayMs: number): Written {
  return (await execute(db, RELEASE, [...fenceValues(fence), delayMs])).length > 0
}

const HANDLER_RETURNED = statement(
  'handler_returned',
  `update ${TASKS}
      set stopping = false
    where task_id = $1 and attempt = $2 and executor_id = $3 and stopping and ${WAITS_BRIEFLY}
   returning true as written`,
)

export async function noteHandlerReturned(db: Database, fence: Fence): Written {
  return (await execute(db, HANDLER_RETURNED, fenceValues(fence))).length > 0
}

const FIND_END = statement(
  'find_end',
  `select (status = 'completed' and attempt = $2 and executor_id = $3) as completed,
          (select outcome from ${ATTEMPTS} a
            where a.task_id = t.task_id and a.attempt = $2 and a.executor_id = $3) as outcome
     from ${TASKS} t
    where task_id = $1`,
)

/** The recorded outcome: distinguishes a write whose response was lost from a late one. Undefined: none. */
export async function findEnd(db: Database, fence: Fence): Promise<string | undefined> {
  const [row] = await execute<{ completed: boolean; outcome: string | null }>(
    db,
    FIND_END,
    fenceValues(fence),
  )
  return row?.completed ? 'completed' : (row?.outcome ?? undefined)
}
