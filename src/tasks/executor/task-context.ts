import type { TaskContext } from '../context.ts'
import { TaskError } from '../errors.ts'
import type { TaskManager } from '../manager.ts'
import type { ClaimedTask } from '../store/claim.ts'
import type { Fence } from '../store/fence.ts'
import { guardFence } from '../store/guard.ts'
import type { AttemptOutput } from './attempt-output.ts'

export interface ContextServices {
  readonly manager: TaskManager
}

/** What the handler of one attempt is given. */
export function createContext(
  task: ClaimedTask,
  fence: Fence,
  signal: AbortSignal,
  output: AttemptOutput,
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
    async guard(tx) {
      if (!signal.aborted && (await guardFence(tx, fence))) return
      throw new TaskError('TASK_LOST', `attempt ${task.attempt} of ${task.taskId} no longer owns its task`)
    },
  }
}
