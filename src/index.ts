export type { AuditAction, AuditEntry, AuditPage, AuditQuery } from './contract/audit.ts'
export type { BulkAction, BulkRequest, BulkResponse } from './contract/bulk.ts'
export type { ErrorGroup, ErrorGroupQuery } from './contract/error-group-views.ts'
export type { TaskStreamEvent } from './contract/events.ts'
export type { Health, HealthCode, HealthLevel, HealthReason } from './contract/health.ts'
export type {
  Backlog,
  Overview,
  OverviewByType,
  OverviewQuery,
  OverviewRange,
  OverviewSpan,
  Percentiles,
  TaskFigures,
  TypeOverview,
} from './contract/overview.ts'
export type { MissedTicks, ScheduleTick, ScheduleTicks, ScheduleView } from './contract/schedule.ts'
export type { TaskStats } from './contract/stats.ts'
export type {
  ExecutorRun,
  ExecutorRuns,
  ExecutorView,
  SearchedTasks,
  TaskDetail,
  TaskList,
  TaskLogLine,
  TaskLogPage,
  TaskStep,
  TaskSummary,
  TaskTypeView,
} from './contract/task.ts'
export type { DrizzleDatabase } from './db/drizzle-pool.ts'
export type { DrizzleTransaction, QueryRunner, Transaction } from './db/query-runner.ts'
export type { StepDatabase, TransactionOf } from './db/step-database.ts'
export type { Actor, ActorOptions } from './engine/definition/actor.ts'
export type { LogData, LogMethod, StepResult, TaskContext, TaskLog } from './engine/definition/context.ts'
export {
  type FieldProblem,
  PermanentError,
  RetryAfter,
  type RetryAfterOptions,
  TaskError,
  type TaskErrorCode,
} from './engine/definition/errors.ts'
export type { AttemptOutcome, LogLevel, TaskStatus } from './engine/definition/lifecycle.ts'
export type { AnyParamsSchema, ParamsSchema } from './engine/definition/params-schema.ts'
export {
  createTaskRegistry,
  type TaskDecorator,
  type TaskRegistry,
  type ThreadTaskDecorator,
  task,
} from './engine/definition/registry.ts'
export type { RetryBackoff, RetryFunction, RetryPolicy } from './engine/definition/retry-policy.ts'
export type { TaskSettings } from './engine/definition/settings.ts'
export type { Duration, SleepUntil } from './engine/definition/steps.ts'
export type { Task, TaskHandler, TaskOptions, ThreadTaskOptions } from './engine/definition/task.ts'
export type {
  AnyTask,
  FailedTaskParams,
  FollowUpTask,
  JsonOf,
  ParamsOf,
  ResultOf,
  TaskReference,
} from './engine/definition/task-reference.ts'
export { currentTask } from './engine/executor/attempt/running-task.ts'
export type { TaskExecutor } from './engine/executor/executor.ts'
export type { ExecutorHealth } from './engine/executor/health.ts'
export type {
  FailedAttempt,
  TaskEventBase,
  TaskEventListener,
  TaskEventName,
  TaskEventPayloads,
} from './engine/manager/host-events.ts'
export type {
  CreatedTask,
  CreateTaskOptions,
  EndedTask,
  LogQuery,
  NewTaskItem,
  RetryOptions,
  TaskChanges,
  TaskManager,
  TaskQuery,
  WaitOptions,
  WatchOptions,
} from './engine/manager/manager.ts'
export { type TypedTasks, typedTasks } from './engine/manager/typed-tasks.ts'
export type { DiagnosticsMessages } from './engine/runtime/diagnostics.ts'
export { currentTick } from './engine/schedules/current-tick.ts'
export {
  defineSchedule,
  type ScheduleChanges,
  type ScheduleOptions,
} from './engine/schedules/schedule-options.ts'
export type { Asker, Authorize } from './http/authorize.ts'
export { type AsyncTasksOptions, default } from './plugin.ts'
