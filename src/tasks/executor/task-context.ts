import type { TaskContext } from '../context.ts'
import type { TaskManager } from '../manager.ts'
import type { ClaimedTask } from '../store/claim.ts'
import type { AttemptOutput } from './attempt-output.ts'
import type { Completion } from './completion.ts'

export interface ContextServices {
  readonly manager: TaskManager
}

export interface ContextParts {
  readonly signal: AbortSignal
  readonly output: AttemptOutput
  readonly completion: Completion
}

/** What the handler of one attempt is given. */
export function createContext(
  task: ClaimedTask,
  { signal, output, completion }: ContextParts,
  { manager }: ContextServices,
): TaskContext {
  return {
    taskId: task.taskId,
    taskType: task.taskType,
    attempt: task.attempt,
    signal,
    log: output.log,
    progress: (current, total, step) => output.report(current, total, step),
    createTask: (reference, params, options) =>
      manager.createTask(reference, params, { ...options, createdBy: task.createdBy }),
    guard: (tx) => completion.guard(tx),
    complete: (tx, result) => completion.complete(tx, result),
  }
}
