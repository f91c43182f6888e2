import type { NewTask, TaskAttempt, TaskListQuery, TaskTypeView } from '../client/index.ts'

/** Which tasks a list shows, or a bulk action takes. */
export type TaskFilter = Omit<TaskListQuery, 'page' | 'pageSize' | 'cursor'>

// What some servers do not say, or take, yet.
export type TypeView = TaskTypeView & { paused?: boolean }
export type AttemptView = TaskAttempt & { stack?: string | null }
export type TaskToCreate = NewTask & { uniqueKey?: string }
