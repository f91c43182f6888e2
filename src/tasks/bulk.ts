import { type BulkAction, type BulkAnswer, type BulkRequest, MAX_BULK_TASKS } from '../contract/bulk.ts'
import type { Database } from '../db/database.ts'
import { codeOf, DEADLOCK, LOCK_NOT_AVAILABLE, UNIQUE_VIOLATION } from '../db/errors.ts'
import { bulkRequest, requireValid } from './arguments.ts'
import type { TaskEvents } from './events.ts'
import { isFinished, TASK_ID } from './lifecycle.ts'
import { findActionable, findSteerable, type Steerable } from './store/bulk.ts'
import { cancelTasks, deleteTasks, retryTasks } from './store/operate.ts'
import type { TaskRow } from './store/rows.ts'

type RefusalCode =
  | 'TASK_NOT_FOUND'
  | 'TASK_ALREADY_FINISHED'
  | 'TASK_NOT_FINISHED'
  | 'TASK_STILL_STOPPING'
  | 'DUPLICATE_TASK'
  | 'UNIQUE_KEY_BUSY'

interface Context {
  readonly db: Database
  readonly events: TaskEvents
}

/** What an action has done: the tasks it changed, and refusals that only the try could tell. */
interface Done {
  readonly changed: ReadonlySet<string>
  readonly refused: ReadonlyMap<string, RefusalCode>
}

const NOTHING: Done = { changed: new Set(), refused: new Map() }

/**
 * Cancels, retries or deletes many tasks in one statement, and answers for each as the single call would. What a task
 * does not allow is no error of the whole.
 */
export async function runBulk(context: Context, request: BulkRequest): Promise<BulkAnswer> {
  requireValid('bulk request', bulkRequest, request)
  const { action, dryRun = false } = request
  const { taskIds, more } = await findTargets(context.db, request)
  const possible = taskIds.filter((taskId) => TASK_ID.test(taskId))
  const { changed, refused } = dryRun ? NOTHING : await ACTIONS[action](context, possible)
  const unexplained = possible.filter((taskId) => !changed.has(taskId) && !refused.has(taskId))
  const found = unexplained.length > 0 ? await findSteerable(context.db, unexplained) : new Map()
  const results = taskIds.map((taskId) => {
    if (changed.has(taskId)) return { taskId, ok: true }
    const task: Steerable | undefined = found.get(taskId)
    const code = refused.get(taskId) ?? refusal(action, task) ?? (dryRun ? undefined : missed(action, task))
    return code === undefined ? { taskId, ok: true } : { taskId, ok: false, code }
  })
  return { results, more }
}

/** Each task once, in the order given; of a filter, the newest first. */
async function findTargets(
  db: Database,
  { action, taskIds, filter = {} }: BulkRequest,
): Promise<{ taskIds: string[]; more: boolean }> {
  if (taskIds) return { taskIds: [...new Set(taskIds)], more: false }
  // One more than a call takes tells whether another one would find any.
  const found = await findActionable(db, action, filter, MAX_BULK_TASKS + 1)
  return { taskIds: found.slice(0, MAX_BULK_TASKS), more: found.length > MAX_BULK_TASKS }
}

/** Why the action is not for this task; undefined when it is, or has been done already. */
function refusal(action: BulkAction, task: Steerable | undefined): RefusalCode | undefined {
  if (!task) return 'TASK_NOT_FOUND'
  if (action === 'cancel') {
    return isFinished(task.status) && task.status !== 'cancelled' ? 'TASK_ALREADY_FINISHED' : undefined
  }
  if (!isFinished(task.status)) return 'TASK_NOT_FINISHED'
  return action === 'retry' && task.stillStopping ? 'TASK_STILL_STOPPING' : undefined
}

/** It did not allow the action when that came by, and by now it would: what it was then. */
function missed(action: BulkAction, task: Steerable | undefined): RefusalCode | undefined {
  if (action !== 'cancel') return 'TASK_NOT_FINISHED'
  return task?.status === 'cancelled' ? undefined : 'TASK_ALREADY_FINISHED'
}

const ACTIONS: Record<BulkAction, (context: Context, taskIds: readonly string[]) => Promise<Done>> = {
  async cancel({ db, events }, taskIds) {
    const runs = await cancelTasks(db, taskIds)
    for (const { taskId, attempt } of runs) events.emit('cancelled', { taskId, attempt })
    return { ...NOTHING, changed: new Set(runs.map((run) => run.taskId)) }
  },

  async retry({ db, events }, taskIds) {
    const duplicates = new Map<string, RefusalCode>()
    const rows = await retryUnique(db, taskIds, (taskId, code) => duplicates.set(taskId, code))
    const changed = rows.map((row) => row.taskId)
    if (rows.length > 0) {
      const taskTypes = rows.map((row) => row.taskType)
      events.emit('created', { taskIds: changed, taskTypes, dueNow: true })
    }
    return { changed: new Set(changed), refused: duplicates }
  },

  async delete({ db }, taskIds) {
    return { ...NOTHING, changed: new Set(await deleteTasks(db, taskIds)) }
  },
}

/** One whose unique key is in use fails the statement: halves find it, and all others go through. */
async function retryUnique(
  db: Database,
  taskIds: readonly string[],
  onDuplicate: (taskId: string, code: RefusalCode) => void,
): Promise<TaskRow[]> {
  try {
    return await retryTasks(db, taskIds)
  } catch (error) {
    const code = codeOf(error)
    // Whoever waits for a key that is in the balance, or for us, must not fail the others.
    const isBusy = code === LOCK_NOT_AVAILABLE || code === DEADLOCK
    if (code !== UNIQUE_VIOLATION && !isBusy) throw error
    const [only, ...others] = taskIds
    if (only !== undefined && others.length === 0) {
      onDuplicate(only, isBusy ? 'UNIQUE_KEY_BUSY' : 'DUPLICATE_TASK')
      return []
    }
    const middle = Math.ceil(taskIds.length / 2)
    const first = await retryUnique(db, taskIds.slice(0, middle), onDuplicate)
    return [...first, ...(await retryUnique(db, taskIds.slice(middle), onDuplicate))]
  }
}
