import { type Database, execute, statement } from '../../db/database.ts'
import {
  CLAIMED,
  type ClaimedRow,
  type ClaimedTask,
  claimedOf,
  LOCKED,
  NEXT_ATTEMPT,
  ORDER,
} from './claim.ts'
import { COMPLETE_MANY, type CompletedRun, completionBatch } from './finish.ts'
import { TASKS, TYPES } from './tables.ts'

/** Waiting tasks that others may hold at this moment. The bound keeps the plan from sorting all that wait. */
const PASSED_OVER = 50

/**
 * As many as are completed, and no more: whatever else is claimed meanwhile, as many run after it as before. So it
 * needs no lock of the type, and counts nothing.
 */
const EXCHANGE = statement(
  'exchange',
  `with done as (
     ${COMPLETE_MANY}
   ), claimed as (
     update ${TASKS} t
        set status = 'running', attempt = ${NEXT_ATTEMPT}, started_at = now(), executor_id = $3,
            concurrency_key = coalesce(t.concurrency_key, '')
      where t.id = any(array(
              select locked.id
                from (select ctid as place, id, priority, run_at from ${TASKS}
                       where status = 'pending' and task_type = $9 and run_at <= now()
                         and not exists (select from ${TYPES} p
                                          where p.task_type = $9 and p.paused_at is not null)
                       ${ORDER}
                       limit (select count(*) + ${PASSED_OVER} from done)) due${LOCKED('due.place')}
               limit (select count(*) from done)))
     returning ${CLAIMED}
   )
   select one.*, claimed.*
     from (select array(select place from done) as done) one
     left join claimed on true`,
)

export interface Exchanged {
  /** Those that were completed: of each the fence held, and its row was not locked. */
  readonly done: readonly CompletedRun[]
  /** Of the same type, at most as many. */
  readonly tasks: readonly ClaimedTask[]
}

/**
 * Completes runs of one executor and claims the next due tasks of their type for it, in one statement. For types with
 * `globalConcurrency` and no keys: each run passes its place on to a task of its type.
 */
export async function exchangeTasks(
  db: Database,
  executorId: string,
  taskType: string,
  runs: readonly CompletedRun[],
): Promise<Exchanged> {
  const { values, writtenAt } = completionBatch(executorId, runs)
  const rows = await execute<ClaimedRow & { done: number[] }>(db, EXCHANGE, [...values, taskType])
  const written = writtenAt(rows[0]?.done ?? [])
  return { done: runs.filter((run) => written.has(run)), tasks: claimedOf(rows) }
}
