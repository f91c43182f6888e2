import {
  arrayLiteral,
  type Database,
  execute,
  executeChange,
  plainArray,
  statement,
  transact,
} from '../../db/database.ts'
import { codeOf, UNIQUE_VIOLATION } from '../../db/errors.ts'
import { type CallersTransaction, requireTransaction, runIn } from '../../db/query-runner.ts'
import type { Sleep } from '../definition/steps.ts'
import { recordAttempts } from './attempts.ts'
import { type Fence, fenceValues, HOLDS_FENCE, HOLDS_FENCE_BRIEFLY, SLEEPS } from './fence.ts'
import { ATTEMPTS, STEPS, TASKS } from './tables.ts'

/**
 * A result is JSON text. `kept_after` is the completed attempt after which an operator kept the step; others end with it.
 * The index by id serves the newest steps of a task, and those after one of them.
 *
 * A step is written under the fence. The lock is that of the foreign key's check: cancels, guards and progress do not wait
 * for it, while claims and rescues pass over the row until the step is committed, so the next attempt reads all steps.
 */

export interface FinishedStep {
  /** The row's number. */
  readonly id: string
  readonly taskId: string
  readonly attempt: number
  readonly name: string
  /** JSON text; null: nothing was returned. */
  readonly result: string | null
  readonly durationMs: number
  /** An earlier write of it had no response. */
  readonly mayExist?: boolean
}

export interface StepDatabases {
  /** Keeps plans while the table is large. */
  readonly db: Database
  /** The same, which always keeps them. */
  readonly keepsPlans: Database
}

export const STEP_BATCH = {
  maxItems: 500,
  maxBytes: 4 * 1_048_576,
  bytesOf: ({ result }: FinishedStep) => result?.length ?? 0,
}

// A write that is repeated, because its response was lost, changes nothing. Another attempt's step of the name is one
// that a completion has ended.
const KEEP_NEWER = `on conflict (task_id, name) do update
        set attempt = excluded.attempt, result = excluded.result, started_at = excluded.started_at,
            ended_at = excluded.ended_at, kept_after = null`

const startedAgo = (ms: string) => `clock_timestamp() - ${ms} * interval '1 millisecond'`

const FINISH_MANY = statement(
  'finish_steps',
  `with given as (
     select *
       from unnest($1::bigint[], $2::text[], $3::int[], $4::text::text[], $5::text::text[], $6::float8[])
            with ordinality as g (id, task_id, attempt, name, result, ms, position)
   ), held as materialized (
     select id, task_id, attempt
       from ${TASKS}
      where id = any($1::bigint[]) and executor_id = $7 and status = 'running'
        for key share skip locked
   ), fenced as materialized (
     select given.*
       from held
       join given on given.id = held.id and given.task_id = held.task_id and given.attempt = held.attempt
   ), written as (
     insert into ${STEPS} (task_id, name, attempt, result, started_at, ended_at)
     select task_id, name, attempt, result, ${startedAgo('ms')}, clock_timestamp()
       from fenced
      order by position
     ${KEEP_NEWER}
   )
   select position::int as position from fenced`,
)

/**
 * Returns which steps were written. Call `finishStep` for the others: their fence is lost, their task is locked, or the
 * name of a step that came alone exists.
 */
export async function finishSteps(
  databases: StepDatabases,
  executorId: string,
  steps: readonly FinishedStep[],
): Promise<boolean[]> {
  const [only, ...others] = steps
  if (only && others.length === 0 && !only.mayExist) return [await finishFree(databases, executorId, only)]
  const rows = await execute<{ position: number }>(databases.db, FINISH_MANY, [
    plainArray(steps.map((step) => step.id)),
    steps.map((step) => step.taskId),
    plainArray(steps.map((step) => step.attempt)),
    arrayLiteral(steps.map((step) => step.name)),
    arrayLiteral(steps.map((step) => step.result)),
    plainArray(steps.map((step) => step.durationMs)),
    executorId,
  ])
  const written = new Set(rows.map(({ position }) => position))
  return steps.map((_, i) => written.has(i + 1))
}

// Separate from the statement for many, whose planning takes five times as long. It returns no row, which saves a tenth of
// the time of a step.
const finishOne = (fence: string, lock: string) => `insert into ${STEPS}
       (task_id, name, attempt, result, started_at, ended_at)
     select task_id, $4, attempt, $5, ${startedAgo('$6::float8')}, clock_timestamp()
       from ${TASKS}
      where ${fence}
        ${lock}`

// A step is new, unless an attempt that has completed left one of its name. Then the primary key refuses it. The pool
// closes the connection of a refused statement, but `on conflict` would cost each step a twentieth of its time.
const FINISH_NEW = finishOne(HOLDS_FENCE, 'for key share skip locked')

// Planning it costs half a commit, so its plans are always kept: those made for a small table under a name that is not
// used for a large one.
const FINISH_FREE = {
  small: statement('finish_step_small', FINISH_NEW),
  large: statement('finish_step', FINISH_NEW),
}
const FINISH_WAITING = statement(
  'finish_step_waiting',
  `${finishOne(HOLDS_FENCE_BRIEFLY, 'for key share')}
     ${KEEP_NEWER}`,
)

/** Waits for the row's lock, and replaces a step of the same name. False: the fence does not hold. */
export async function finishStep({ db }: StepDatabases, executorId: string, step: FinishedStep) {
  return (await executeChange(db, FINISH_WAITING, finishValues(executorId, step))) > 0
}

async function finishFree({ db, keepsPlans }: StepDatabases, executorId: string, step: FinishedStep) {
  const sent = db.prepared ? FINISH_FREE.large : FINISH_FREE.small
  try {
    return (await executeChange(keepsPlans, sent, finishValues(executorId, step))) > 0
  } catch (error) {
    if (codeOf(error) === UNIQUE_VIOLATION) return false
    throw error
  }
}

function finishValues(executorId: string, { taskId, attempt, name, result, durationMs }: FinishedStep) {
  return [...fenceValues({ taskId, attempt, executorId }), name, result, durationMs]
}

const INSERT_STEP = `insert into ${STEPS} (task_id, name, attempt, result, started_at, ended_at)
     values ($1, $2, $3, $4, ${startedAgo('$5::float8')}, clock_timestamp())
     ${KEEP_NEWER}`

/** In a transaction whose `guardFence` held. */
export async function insertStep(
  on: CallersTransaction,
  { taskId, attempt, name, result, durationMs }: Omit<FinishedStep, 'id'>,
  responseTimeoutMs: number,
): Promise<void> {
  await requireTransaction(on)
  await runIn(on, INSERT_STEP, [taskId, name, attempt, result, durationMs], responseTimeoutMs)
}

const LOCK_FENCE = statement(
  'lock_fence',
  `select true as held from ${TASKS} where ${HOLDS_FENCE_BRIEFLY} for no key update`,
)

const STEP_IS_WRITTEN = statement(
  'step_is_written',
  `select true as written from ${STEPS} where task_id = $1 and name = $2 and attempt = $3`,
)

/**
 * Whether the transaction of a step has committed, once it has ended: it holds the lock until then. Undefined: the fence
 * does not hold.
 */
export async function findCommittedStep(
  db: Database,
  fence: Fence,
  name: string,
): Promise<boolean | undefined> {
  return transact(db, async (client) => {
    if ((await client.execute(LOCK_FENCE, fenceValues(fence))).length === 0) return undefined
    // A statement of its own: its snapshot must show what was committed while the lock was awaited.
    const rows = await client.execute(STEP_IS_WRITTEN, [fence.taskId, name, fence.attempt])
    return rows.length > 0
  })
}

/** Results that are read with the names: beyond that, each is read when its step is reached. */
const MAX_READ_BYTES = 16 * 1_048_576

// A completed task starts anew when an operator retries it. Its steps are deleted then, unless a process of a version
// without steps retried it.
const FIND_STEPS = statement(
  'find_steps',
  `with last as (
     select coalesce(max(attempt), 0) as completed from ${ATTEMPTS} where task_id = $1 and outcome = 'completed'
   )
   select s.name,
          case when s.bytes <= ${MAX_READ_BYTES} then s.result end as result,
          s.result is not null and s.bytes > ${MAX_READ_BYTES} as "isLarge"
     from last
    cross join lateral (
      select name, result, sum(octet_length(coalesce(result, ''))) over (order by id) as bytes
        from ${STEPS}
       where task_id = $1 and (attempt > last.completed or kept_after >= last.completed)) s`,
)

export interface FoundStep {
  readonly name: string
  readonly result: string | null
  /** The result is left to `findStepResult`. */
  readonly isLarge: boolean
}

/** The finished steps of a task, for a resumed run. */
export function findSteps(db: Database, taskId: string): Promise<FoundStep[]> {
  return execute<FoundStep>(db, FIND_STEPS, [taskId])
}

const FIND_STEP_RESULT = statement(
  'find_step_result',
  `select result from ${STEPS} where task_id = $1 and name = $2`,
)

export async function findStepResult(db: Database, taskId: string, name: string): Promise<string | null> {
  const [row] = await execute<{ result: string | null }>(db, FIND_STEP_RESULT, [taskId, name])
  return row?.result ?? null
}

const STEP_EXISTS = statement(
  'step_exists',
  `select true as found from ${STEPS} where task_id = $1 and name = $2`,
)

export async function stepExists(db: Database, taskId: string, name: string): Promise<boolean> {
  return (await execute(db, STEP_EXISTS, [taskId, name])).length > 0
}

// The task has been started in time: from here on it does not expire.
const SLEEP = statement(
  'sleep',
  `with ended as (
     update ${TASKS}
        set ${SLEEPS}, expires_at = null,
            run_at = greatest(now(), coalesce($6::timestamptz, now() + $5::float8 * interval '1 millisecond'))
      where ${HOLDS_FENCE_BRIEFLY}
     returning task_id, attempt, $3::uuid as executor, started_at, run_at
   ), slept as (
     insert into ${STEPS} (task_id, name, attempt, result, started_at, ended_at)
     select task_id, $4, attempt, null, now(), run_at from ended
     ${KEEP_NEWER}
   ), ${recordAttempts('ended', { executor: 'executor', outcome: `'sleeping'` })}
   select (extract(epoch from run_at) * 1000)::float8 as "dueAt" from ended`,
)

/** Ends the run: pending until the sleep is over, no retry spent. Returns when it is due, as `retryTaskLater`. */
export async function sleepTask(
  db: Database,
  fence: Fence,
  { name, until }: Sleep,
): Promise<number | undefined> {
  const values = [
    ...fenceValues(fence),
    name,
    'delayMs' in until ? until.delayMs : null,
    'at' in until ? until.at : null,
  ]
  return (await execute<{ dueAt: number }>(db, SLEEP, values))[0]?.dueAt
}
