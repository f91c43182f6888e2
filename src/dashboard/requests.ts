import type { TaskListQuery } from '../client/index.ts'

/** Which tasks a list shows, or a bulk action takes. */
export type TaskFilter = Omit<TaskListQuery, 'page' | 'pageSize' | 'cursor'>
