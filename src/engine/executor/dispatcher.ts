import { TaskError } from '../definition/errors.ts'
import type { TaskDefinition } from '../definition/task.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import type { ClaimedTask } from '../store/claim.ts'
import { Attempt, type AttemptServices } from './attempt/attempt.ts'
import type { Claimer } from './claimer.ts'
import type { Slots } from './slots.ts'

/** The database's clock decides when a retry is due, and rounds. */
const RETRY_SLACK_MS = 5

export interface DispatcherParts {
  readonly executorId: string
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly slots: Slots
  readonly claimer: Claimer
  readonly wakeUp: WakeUp
  readonly services: Omit<AttemptServices, 'onRetryDue'>
}

export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #services: AttemptServices

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#services = { ...parts.services, onRetryDue: (type, delayMs) => this.#onRetryDue(type, delayMs) }
  }

  dispatch(task: ClaimedTask, isCancelled: boolean): void {
    const { definitions, executorId, slots } = this.#parts
    const definition = definitions.get(task.taskType)
    if (!definition)
      throw new TaskError('UNKNOWN_TASK_TYPE', `claimed '${task.taskType}', which is not registered`)
    const attempt = new Attempt(task, definition, executorId, this.#services)
    slots.take(attempt)
    if (isCancelled) attempt.abort('cancelled')
    attempt
      .run(() => this.#onReturned(attempt))
      .catch((error: unknown) => {
        this.#services.events.emit('writeFailed', { what: `the end of ${task.taskId}`, error })
      })
      .finally(() => slots.release(attempt))
  }

  /** Frees the slot before the write, unless others would take a limited type's slot or a log must be throttled. */
  #onReturned(attempt: Attempt): void {
    const { claimer, slots } = this.#parts
    if (attempt.isSilent && claimer.hasNoLimit(attempt.task.taskType)) slots.vacate(attempt)
  }

  #onRetryDue(taskType: string, delayMs: number): void {
    const { claimer, wakeUp } = this.#parts
    wakeUp.notifyAfter(delayMs + RETRY_SLACK_MS, () => claimer.recheck(taskType))
  }
}
