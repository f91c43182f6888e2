import type { AuditPage, AuditQuery } from '../../contract/audit-views.ts'
import type { BulkRequest, BulkResponse } from '../../contract/bulk.ts'
import type { TaskDetail } from '../../contract/task.ts'
import { actorOf, requireKnownKeys } from '../create/arguments.ts'
import type { ManagerParts } from '../create/manager-parts.ts'
import type { ActorOptions } from '../definition/actor.ts'
import { toDetail } from '../store/rows.ts'
import type { AuditTrail } from './audit-trail.ts'
import { runBulk } from './bulk.ts'
import { FleetMethods } from './fleet-methods.ts'
import { type RetryOptions, readRetryFrom } from './retry-from.ts'
import { type SteeringContext, steerOne } from './steering.ts'
import { TaskChanger, type TaskChanges } from './task-changer.ts'
import type { TaskReader } from './task-reader.ts'

/** The methods of `TaskManager` that change tasks, and the audit. */
export class ChangeMethods extends FleetMethods {
  readonly #parts: ManagerParts & { reader: TaskReader; audit: AuditTrail }
  readonly #steering: SteeringContext
  readonly #changer: TaskChanger

  constructor(
    parts: ManagerParts & { reader: TaskReader; audit: AuditTrail } & ConstructorParameters<
        typeof FleetMethods
      >[0],
  ) {
    super(parts)
    this.#parts = parts
    this.#steering = { db: parts.db, events: parts.events, audit: parts.audit, isWaiting: false }
    this.#changer = new TaskChanger(parts)
  }

  /**
   * Cancels a pending or running task and aborts the signal of its handler. A second cancel is not an error.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_ALREADY_FINISHED`, or `CANCEL_PENDING` if an open transaction holds the row
   *   for longer than 0.7 s: the signal is aborted, and the task becomes cancelled when the transaction ends, unless the
   *   transaction completes it
   */
  async cancelTask(taskId: string, options: ActorOptions = {}): Promise<TaskDetail> {
    const actor = actorOf('cancel options', options)
    await this.#parts.audit.run({ actor, action: 'task.cancel', subject: taskId }, (change) =>
      steerOne(this.#steering, 'cancel', taskId, { change }),
    )
    return this.#parts.reader.require(taskId)
  }

  /**
   * Makes a finished task pending again, with all its retries. A failed or cancelled task keeps its finished steps, a
   * completed one starts anew; `from` decides otherwise.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `STEP_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_STILL_STOPPING` while a live executor still runs the
   *   handler of its last attempt, `DUPLICATE_TASK` while another task has its unique key, or `TASK_BUSY` if an open
   *   transaction holds the row for longer than 0.7 s
   */
  async retryTask(taskId: string, options: RetryOptions = {}): Promise<TaskDetail> {
    requireKnownKeys('retry options', options, ['from', 'actor'])
    const steered = await this.#parts.audit.run(
      { actor: options.actor, action: 'task.retry', subject: taskId },
      async (change) => {
        const from = await readRetryFrom(this.#parts, taskId, options)
        return steerOne(this.#steering, 'retry', taskId, { from, change })
      },
    )
    const [pending] = steered.pending
    const task = await this.#parts.reader.require(taskId)
    if (!pending) return task
    // It may run again by now: returns what this call made of it.
    const attempts = task.attempts.filter(({ attempt }) => attempt <= pending.attempt)
    const { params, steps, stepCount } = task
    return { ...toDetail(pending, null, attempts, { steps, stepCount }), params }
  }

  /**
   * Changes the given fields of a pending task, all of them or none. New params replace all old ones, and are checked as
   * those of a new task. A task that any process has started is not changed.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_PENDING`, `INVALID_PARAMS`, `INVALID_ARGUMENT`, also for no change at
   *   all, or `TASK_BUSY` as `retryTask`
   */
  async updateTask(taskId: string, changes: TaskChanges, options: ActorOptions = {}): Promise<TaskDetail> {
    const actor = actorOf('change options', options)
    return this.#parts.audit.run({ actor, action: 'task.update', subject: taskId }, async (change) =>
      this.#changer.change(taskId, changes, change),
    )
  }

  /**
   * Makes a pending task due at once, such as a delayed one or one that waits for a retry. It still waits for a slot, for
   * limits and for the end of a pause.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_PENDING`, or `TASK_BUSY` as `retryTask`
   */
  async runNow(taskId: string, options: ActorOptions = {}): Promise<TaskDetail> {
    const actor = actorOf('run options', options)
    return this.#parts.audit.run({ actor, action: 'task.run_now', subject: taskId }, (change) =>
      this.#changer.runNow(taskId, change),
    )
  }

  /**
   * Deletes a finished task.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_BUSY` as `retryTask`, or `TASK_STILL_STOPPING` while a
   *   live executor still runs its handler, if that counts against `globalConcurrency` or a `concurrencyKey`
   */
  async deleteTask(taskId: string, options: ActorOptions = {}): Promise<void> {
    const actor = actorOf('delete options', options)
    await this.#parts.audit.run({ actor, action: 'task.delete', subject: taskId }, (change) =>
      steerOne(this.#steering, 'delete', taskId, { change }),
    )
  }

  /**
   * Cancels, retries or deletes up to 1,000 tasks: those in `taskIds`, or the newest that match `filter` and allow the
   * action. Returns the result of each; `more` is true if another call would find more. `dryRun` changes nothing.
   *
   * @throws TaskError `INVALID_ARGUMENT`
   */
  async bulk(request: BulkRequest, options: ActorOptions = {}): Promise<BulkResponse> {
    const actor = actorOf('bulk options', options)
    return runBulk(this.#steering, request, actor)
  }

  /**
   * Lists the audit: changes by callers that named an `actor`, and refused ones, newest first, 100 per page.
   *
   * @throws TaskError `INVALID_ARGUMENT`
   */
  async listAudit(query: AuditQuery = {}): Promise<AuditPage> {
    return this.#parts.audit.list(query)
  }
}
