'use client'

export { taskStatusQueryOptions } from '../query-options.ts'
export { TasksClientProvider, useTasksClient } from './provider.ts'
export { TaskProgress, type TaskProgressProps, useTimeLeft } from './task-progress.ts'
export { type TaskListResult, useTaskList } from './use-task-list.ts'
export { type TaskLogsResult, type UseTaskLogsOptions, useTaskLogs } from './use-task-logs.ts'
export { type TaskStatusResult, type UseTaskStatusOptions, useTaskStatus } from './use-task-status.ts'
