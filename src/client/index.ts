export type { AuditEntry, AuditPage, AuditQuery } from '../contract/audit.ts'
export type { BulkAction, BulkResponse } from '../contract/bulk.ts'
export type { ErrorGroup, ErrorGroupQuery } from '../contract/error-group-views.ts'
export type { TaskStreamEvent } from '../contract/events.ts'
export type { Health, HealthCode, HealthLevel, HealthReason } from '../contract/health.ts'
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
} from '../contract/overview.ts'
export type { Problem } from '../contract/problem.ts'
export type { MissedTicks, ScheduleTick, ScheduleTicks, ScheduleView } from '../contract/schedule.ts'
export type {
  AccountView,
  CallerView,
  Credentials,
  NewUser,
  OpenSessionView,
  PasswordChange,
  Role,
  SessionView,
  UserChange,
  UserView,
} from '../contract/session.ts'
export type { TaskStats } from '../contract/stats.ts'
export type {
  AttemptOutcome,
  ExecutorRun,
  ExecutorRuns,
  ExecutorView,
  LogLevel,
  SearchedTasks,
  TaskAttempt,
  TaskDetail,
  TaskList,
  TaskLogLine,
  TaskLogPage,
  TaskStatus,
  TaskStep,
  TaskSummary,
  TaskTypeView,
} from '../contract/task.ts'
export {
  type AnyTasksClient,
  type BulkTasksRequest,
  type CreatedTask,
  createTasksClient,
  type NewScheduleRequest,
  type NewTask,
  type ScheduleChangeRequest,
  type TaskChangeRequest,
  type TaskListQuery,
  type TaskLogQuery,
  TasksClient,
} from './client.ts'
export { type ClientErrorCode, TasksApiError } from './errors.ts'
export type { WatchAllOptions, WatchConnection } from './follow.ts'
export { taskStatusQueryOptions } from './query-options.ts'
export type { CallOptions, TasksClientOptions } from './request.ts'
export { isFinished, type WatchOptions } from './watch.ts'
export type { TasksWatchEvent, WatchTasksOptions } from './watch-all.ts'
