import type { TaskDetail } from '../contract/task.ts'

/** The new task, or, with `created: false`, the unfinished task that has the unique key. */
export type CreatedTask = TaskDetail & {
  /** False: an unfinished task has the unique key, and this is it. */
  created: boolean
  /** With `onDuplicate: 'replace'` alone: whether that task has been changed. */
  replaced?: boolean
}
