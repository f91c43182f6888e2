export { advanceTime, type DrainedAttempt, type DrainOptions, drainTasks } from './drain-tasks.ts'
export { expectTask, findCreated, waitForTask } from './find-created.ts'
export {
  type CreatedInRun,
  type RunLogLine,
  type RunProgress,
  type RunStep,
  type RunTaskOptions,
  runTask,
  type TaskRun,
} from './run-task.ts'
export type { TestApp, TestTarget } from './target.ts'
