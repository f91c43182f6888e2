import type { TaskDetail } from '../../contract/task.ts'
import { requireValid, taskChanges } from '../create/arguments.ts'
import type { ManagerParts } from '../create/manager-parts.ts'
import { isOverdue } from '../create/new-task.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { TaskError, taskNotFound } from '../definition/errors.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import type { StoredParams } from '../definition/params.ts'
import { orBusy } from '../runtime/busy.ts'
import {
  type ChangedRow,
  changeTask,
  findWaiting,
  runTaskNow,
  type TaskChange,
  type WaitingRow,
} from '../store/change.ts'
import { fromDetailRow, type TaskRow } from '../store/rows.ts'
import { retryWhile } from './retry-while.ts'

type WrittenRow = ChangedRow & Partial<Pick<WaitingRow, 'params' | 'steps' | 'stepCount'>>

/** Changes of a pending task. What is left out stays. */
export interface TaskChanges {
  /** They replace all params. Finished steps and sleeps are forgotten: the handler runs from its start. */
  params?: Record<string, unknown>
  /** −100 … 100, higher first. */
  priority?: number
  /** Earliest start; before the task's `expiresAt`. */
  runAt?: Date
}

/** Changes tasks that wait. Against a claim one of the two wins: a task that was started keeps what it was started with. */
export class TaskChanger {
  readonly #parts: ManagerParts

  constructor(parts: ManagerParts) {
    this.#parts = parts
  }

  /** @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_PENDING`, `TASK_BUSY`, `INVALID_PARAMS`, `INVALID_ARGUMENT` */
  change(taskId: string, changes: TaskChanges, audited?: AuditedChange): Promise<TaskDetail> {
    requireValid('changes of a task', taskChanges, changes)
    const { db, factory } = this.#parts
    const { priority, runAt } = changes
    let params: StoredParams | undefined
    return this.#write(taskId, async (waiting) => {
      requireTimeToStart(waiting, runAt)
      if (changes.params === undefined) return changeTask(db, waiting, { priority, runAt }, audited)
      params ??= await factory.prepareParams(waiting.taskType, changes.params)
      const concurrencyKey = await this.#keysOf(waiting, params)
      const rateKey = await factory.rateKeyOf(waiting.taskType, Object.fromEntries(params))
      const change = { priority, runAt, params, concurrencyKey, rateKey }
      const row = await changeTask(db, waiting, change, audited)
      return row && { ...row, params: Object.fromEntries(params), steps: null, stepCount: 0 }
    })
  }

  /** @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_PENDING`, `TASK_BUSY` */
  runNow(taskId: string, audited?: AuditedChange): Promise<TaskDetail> {
    return this.#write(taskId, (waiting) => runTaskNow(this.#parts.db, waiting, audited))
  }

  async #write(
    taskId: string,
    write: (waiting: WaitingRow) => Promise<WrittenRow | undefined>,
  ): Promise<TaskDetail> {
    const attempt = async () => {
      const waiting = await this.#requireWaiting(taskId)
      // Its params may be locked, too.
      const row = await orBusy('TASK_BUSY', taskId, write(waiting))
      const { params, attempts, steps, stepCount } = waiting
      return row && { params, attempts, steps, stepCount, ...row }
    }
    const written = await retryWhile(attempt, (row) => row === undefined)
    if (!written) {
      const detail = `a transaction that has not ended holds ${taskId}: nothing has been changed; try again later`
      throw new TaskError('TASK_BUSY', detail)
    }
    const { inMs, ...changed } = written
    this.#announce(changed, inMs)
    return this.#parts.redaction.hide(fromDetailRow(changed))
  }

  async #requireWaiting(taskId: string): Promise<WaitingRow> {
    const task = TASK_ID.test(taskId) ? await findWaiting(this.#parts.db, taskId) : undefined
    if (!task) throw taskNotFound(taskId)
    if (task.isWaiting) return task
    const status = task.status === 'pending' ? 'expired' : task.status
    throw new TaskError('TASK_NOT_PENDING', `${taskId} is ${status}: only a pending task can be changed`)
  }

  /** Undefined when the old key cannot be derived: the task keeps it. */
  async #keysOf(
    { taskType, params }: WaitingRow,
    changed: StoredParams,
  ): Promise<TaskChange['concurrencyKey']> {
    const { factory } = this.#parts
    const to = await factory.concurrencyKeyOf(taskType, Object.fromEntries(changed))
    try {
      return { from: await factory.concurrencyKeyOf(taskType, params), to }
    } catch {
      // The type's function may not be made for params that an earlier version has stored.
      return undefined
    }
  }

  #announce({ taskId, taskType, runAt }: Pick<TaskRow, 'taskId' | 'taskType' | 'runAt'>, inMs: number) {
    const { events } = this.#parts
    events.emit('changed', { taskId, taskType, overdue: isOverdue(inMs), inMs })
    // Executors elsewhere have to know of a new due time, too.
    if (inMs > 0) events.emit('delayed', { dueAt: +runAt, inMs })
    else events.emit('due', { count: 1 })
  }
}

/** @throws TaskError `INVALID_ARGUMENT` for a due time at which the task has expired */
function requireTimeToStart({ expiresAt }: WaitingRow, runAt: Date | undefined): void {
  if (runAt === undefined || expiresAt === null || runAt < expiresAt) return
  const detail = `must be before the task's expiresAt, ${expiresAt.toISOString()}, got ${runAt.toISOString()}`
  const problems = [{ pointer: '/runAt', detail }]
  throw new TaskError('INVALID_ARGUMENT', `invalid changes of a task: /runAt: ${detail}`, { problems })
}
