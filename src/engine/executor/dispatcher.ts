import { TaskError } from '../definition/errors.ts'
import type { TaskDefinition } from '../definition/task.ts'
import type { ClaimedTask } from '../store/claim.ts'
import { Attempt, type AttemptServices } from './attempt/attempt.ts'
import type { Claimer } from './claimer.ts'
import type { Slots } from './slots.ts'

export interface DispatcherParts {
  readonly executorId: string
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly slots: Slots
  readonly claimer: Claimer
  readonly services: AttemptServices
}

export class Dispatcher {
  readonly #parts: DispatcherParts

  constructor(parts: DispatcherParts) {
    this.#parts = parts
  }

  dispatch(task: ClaimedTask, isCancelled: boolean): void {
    const { definitions, executorId, slots, services } = this.#parts
    const definition = definitions.get(task.taskType)
    if (!definition)
      throw new TaskError('UNKNOWN_TASK_TYPE', `claimed '${task.taskType}', which is not registered`)
    const attempt = new Attempt(task, definition, executorId, services)
    slots.take(attempt)
    if (isCancelled) attempt.abort('cancelled')
    void this.#run(attempt)
  }

  async #run(attempt: Attempt): Promise<void> {
    const { slots, services } = this.#parts
    try {
      await attempt.run(() => this.#onReturned(attempt))
    } catch (error) {
      services.events.emit('writeFailed', { what: `the end of ${attempt.task.taskId}`, error })
    } finally {
      slots.release(attempt)
    }
  }

  /** Frees the slot before the write, unless others would take a limited type's slot or a log must be throttled. */
  #onReturned(attempt: Attempt): void {
    const { claimer, slots } = this.#parts
    if (attempt.isSilent && !claimer.freesPermit(attempt.task.taskType)) slots.vacate(attempt)
  }
}
