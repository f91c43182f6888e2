import type { BulkAction } from '../../contract/bulk.ts'
import type { Database } from '../../db/database.ts'
import { codeOf, DEADLOCK, LOCK_NOT_AVAILABLE, UNIQUE_VIOLATION } from '../../db/errors.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { TaskError, type TaskErrorCode } from '../definition/errors.ts'
import { isFinished, TASK_ID } from '../definition/lifecycle.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { findSteerable, type Steerable } from '../store/bulk.ts'
import { requestCancels } from '../store/cancel-requests.ts'
import {
  cancelTasks,
  deleteTasks,
  type LockedRows,
  type RetryFrom,
  retryTasks,
  TooManyRows,
} from '../store/operate.ts'
import { findStatuses } from '../store/read.ts'
import type { TaskRow } from '../store/rows.ts'
import type { AuditTrail } from './audit-trail.ts'
import { retryWhile } from './retry-while.ts'

export type RefusalCode = Extract<
  TaskErrorCode,
  | 'TASK_NOT_FOUND'
  | 'TASK_ALREADY_FINISHED'
  | 'TASK_NOT_FINISHED'
  | 'TASK_STILL_STOPPING'
  | 'DUPLICATE_TASK'
  | 'UNIQUE_KEY_BUSY'
  | 'TASK_BUSY'
  | 'CANCEL_PENDING'
>

export interface SteeringContext {
  readonly db: Database
  readonly events: TaskEvents
  readonly audit: AuditTrail
  /** A statement waits for one locked row: one at a time, so that repeated calls take no more connections. */
  isWaiting: boolean
}

/** Result of an action. A task in neither was cancelled before. */
export interface Steered {
  readonly changed: ReadonlySet<string>
  readonly refused: ReadonlyMap<string, RefusalCode>
  readonly pending: readonly TaskRow[]
  /** Those that a cancel found pending. */
  readonly wasPending: ReadonlySet<string>
}

interface SteerOptions {
  readonly from?: RetryFrom | undefined
  readonly restore?: boolean | undefined
  /** The entry of the audit for each task. */
  readonly change?: AuditedChange | undefined
}

type Refuse = (taskId: string, code: RefusalCode) => void

/** A refused or locked task does not fail the others. */
export async function steer(
  context: SteeringContext,
  action: BulkAction,
  taskIds: readonly string[],
  options: SteerOptions = {},
): Promise<Steered> {
  const changed = new Set<string>()
  const refused = new Map<string, RefusalCode>()
  const pending: TaskRow[] = []
  const wasPending = new Set<string>()
  const refuse: Refuse = (taskId, code) => refused.set(taskId, code)
  let left = taskIds
  const attempt = async (tries: number) => {
    const locked = tries === 2 && left.length === 1 && !context.isWaiting ? 'wait' : 'skip'
    context.isWaiting ||= locked === 'wait'
    const all = await ACTIONS[action](context, { ...options, taskIds: left, locked, refuse }).finally(() => {
      if (locked === 'wait') context.isWaiting = false
    })
    for (const done of all) {
      changed.add(done.taskId)
      if ('taskType' in done) pending.push(done)
      else if (done.wasPending) wasPending.add(done.taskId)
    }
    left = left.filter((taskId) => !changed.has(taskId) && !refused.has(taskId))
    if (left.length === 0) return
    left = await findLocked(context.db, action, left, refuse)
    // Most locks are brief, as those of progress reports.
    if (action === 'cancel' && tries === 1) await request(context, left)
  }
  if (left.length > 0) await retryWhile(attempt, () => left.length > 0)
  for (const taskId of left) refuse(taskId, action === 'cancel' ? 'CANCEL_PENDING' : 'TASK_BUSY')
  const { change } = options
  const unchanged = taskIds.filter((taskId) => !changed.has(taskId) && !refused.has(taskId))
  if (change && unchanged.length > 0) {
    await context.audit.record(unchanged.map((subject) => ({ ...change, subject, outcome: 'ok' })))
  }
  return { changed, refused, pending, wasPending }
}

/** Why the task does not allow the action; undefined: it does, or it is done already. */
export function refusal(action: BulkAction, task: Steerable | undefined): RefusalCode | undefined {
  if (!task) return 'TASK_NOT_FOUND'
  if (action === 'cancel') {
    return isFinished(task.status) && task.status !== 'cancelled' ? 'TASK_ALREADY_FINISHED' : undefined
  }
  if (!isFinished(task.status)) return 'TASK_NOT_FINISHED'
  const isKept = action === 'retry' ? task.stillStopping : task.holdsPermit
  return isKept ? 'TASK_STILL_STOPPING' : undefined
}

export async function steerOne(
  context: SteeringContext,
  action: BulkAction,
  taskId: string,
  options: SteerOptions = {},
): Promise<Steered> {
  if (!TASK_ID.test(taskId)) throw new TaskError('TASK_NOT_FOUND', DETAILS.TASK_NOT_FOUND(taskId, ''))
  const steered = await steer(context, action, [taskId], options)
  const code = steered.refused.get(taskId)
  if (code === undefined) return steered
  const status = (await findStatuses(context.db, [taskId])).get(taskId) ?? 'unfinished'
  throw new TaskError(code, DETAILS[code](taskId, status))
}

const DETAILS: Record<RefusalCode, (taskId: string, status: string) => string> = {
  TASK_NOT_FOUND: (taskId) => `there is no task ${JSON.stringify(taskId)}`,
  TASK_ALREADY_FINISHED: (taskId, status) => `${taskId} is already ${status}`,
  TASK_NOT_FINISHED: (taskId, status) => `${taskId} is ${status}; cancel it first`,
  TASK_STILL_STOPPING: (taskId) => `the handler of ${taskId} has not returned yet; try again later`,
  DUPLICATE_TASK: (taskId) => `another unfinished task has the unique key of ${taskId}`,
  UNIQUE_KEY_BUSY: (taskId) => `a transaction that has not ended holds the unique key of ${taskId}`,
  TASK_BUSY: (taskId) =>
    `a transaction that has not ended holds ${taskId}: nothing has been changed; try again later`,
  CANCEL_PENDING: (taskId) =>
    `a transaction that has not ended holds ${taskId}. The cancel is recorded and a running handler's signal is ` +
    'aborted; the task becomes cancelled when that transaction has ended, unless the task has ended by then',
}

/** Finds those that allow the action and were skipped; refuses others that do not. */
async function findLocked(
  db: Database,
  action: BulkAction,
  taskIds: readonly string[],
  refuse: Refuse,
): Promise<string[]> {
  const found = await findSteerable(db, taskIds)
  return taskIds.filter((taskId) => {
    const task = found.get(taskId)
    const code = refusal(action, task)
    if (code !== undefined) refuse(taskId, code)
    return code === undefined && !(action === 'cancel' && task?.status === 'cancelled')
  })
}

async function request({ db, events }: SteeringContext, taskIds: readonly string[]): Promise<void> {
  if (taskIds.length === 0) return
  for (const run of await requestCancels(db, taskIds)) events.emit('cancelRequested', run)
}

interface Done {
  readonly taskId: string
  readonly wasPending?: boolean
}

const ACTIONS: Record<
  BulkAction,
  (
    context: SteeringContext,
    call: SteerOptions & { taskIds: readonly string[]; locked: LockedRows; refuse: Refuse },
  ) => Promise<readonly (TaskRow | Done)[]>
> = {
  async cancel({ db, events }, { taskIds, locked, change }) {
    const runs = await inHalves(taskIds, (ids) => cancelTasks(db, ids, locked, change))
    for (const run of runs) events.emit('cancelled', run)
    return runs.map(({ taskId, wasPending }) => ({ taskId, wasPending }))
  },

  async retry({ db, events }, { taskIds, locked, refuse, from, restore, change }) {
    const rows = await inHalves(
      taskIds,
      (ids) => retryTasks(db, ids, locked, { from, restore, change }),
      (taskId, code) => {
        if (code === UNIQUE_VIOLATION) refuse(taskId, 'DUPLICATE_TASK')
        else if (locked === 'skip') refuse(taskId, 'UNIQUE_KEY_BUSY')
      },
    )
    if (rows.length > 0) {
      events.emit('created', {
        taskIds: rows.map((row) => row.taskId),
        taskTypes: rows.map((row) => row.taskType),
        dueNow: true,
        isRetry: true,
      })
      events.emit('due', { count: rows.length })
    }
    return rows
  },

  async delete({ db }, { taskIds, locked, change }) {
    const deleted = await inHalves(taskIds, (ids) => deleteTasks(db, ids, locked, change))
    return deleted.map((taskId) => ({ taskId }))
  },
}

/**
 * A statement fails as a whole for one task that meets another transaction: halving isolates that task. It also bounds
 * what one statement deletes.
 */
async function inHalves<T>(
  taskIds: readonly string[],
  run: (taskIds: readonly string[]) => Promise<readonly T[]>,
  onRefused: (taskId: string, code: string) => void = () => {},
): Promise<readonly T[]> {
  try {
    return await run(taskIds)
  } catch (error) {
    const code = codeOf(error)
    const isOfOne = code === UNIQUE_VIOLATION || code === LOCK_NOT_AVAILABLE || code === DEADLOCK
    if (!isOfOne && !(error instanceof TooManyRows)) throw error
    const [only, ...others] = taskIds
    if (isOfOne && only !== undefined && others.length === 0) {
      onRefused(only, code)
      return []
    }
    const middle = Math.ceil(taskIds.length / 2)
    const first = await inHalves(taskIds.slice(0, middle), run, onRefused)
    return [...first, ...(await inHalves(taskIds.slice(middle), run, onRefused))]
  }
}
