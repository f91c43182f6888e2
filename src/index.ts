export type { BulkAction, BulkAnswer, BulkRequest } from './contract/bulk.ts'
export type { MissedTicks, ScheduleView } from './contract/schedule.ts'
export type { TaskStats } from './contract/stats.ts'
export type {
  ExecutorView,
  TaskDetail,
  TaskList,
  TaskLogLine,
  TaskLogPage,
  TaskSummary,
  TaskTypeView,
} from './contract/task.ts'
export type { DrizzleTransaction, QueryRunner, Transaction } from './db/query-runner.ts'
export type { Authorize } from './http/authorize.ts'
export { type AsyncTasksOptions, default } from './plugin.ts'
export type { LogData, LogMethod, TaskContext, TaskLog } from './tasks/context.ts'
export { currentTick } from './tasks/current-tick.ts'
export {
  type FieldProblem,
  PermanentError,
  RetryAfter,
  TaskError,
  type TaskErrorCode,
} from './tasks/errors.ts'
export type { TaskExecutor } from './tasks/executor/executor.ts'
export type { ExecutorHealth } from './tasks/executor/health.ts'
export { currentTask } from './tasks/executor/running-task.ts'
export type { AttemptOutcome, LogLevel, TaskStatus } from './tasks/lifecycle.ts'
export type {
  CreatedTask,
  CreateTaskOptions,
  EndedTask,
  LogQuery,
  NewTaskItem,
  TaskManager,
  TaskQuery,
  WaitOptions,
} from './tasks/manager.ts'
export { createTaskRegistry, type TaskDecorator, type TaskRegistry, task } from './tasks/registry.ts'
export type { RetryBackoff, RetryFunction, RetryPolicy } from './tasks/retry-policy.ts'
export { defineSchedule, type ScheduleChanges, type ScheduleOptions } from './tasks/schedule-options.ts'
export type { TaskSettings } from './tasks/settings.ts'
export type {
  AnyTask,
  JsonOf,
  ParamsOf,
  ParamsSchema,
  ResultOf,
  Task,
  TaskHandler,
  TaskOptions,
  TaskReference,
  ThreadTaskOptions,
} from './tasks/task.ts'
export { type TypedTasks, typedTasks } from './tasks/typed-tasks.ts'
