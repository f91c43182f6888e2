import type { TaskDetail, TaskLogLine, TaskSummary } from './task.ts'

/** What the stream of one task says; the data of an event is the JSON of what it names. */
export type TaskStreamEvent =
  /** The task as it is now: at the start of the stream, and after every change. */
  | { readonly type: 'task'; readonly task: TaskDetail }
  /** A line of its log; its id is the event's id. */
  | { readonly type: 'log'; readonly line: TaskLogLine }
  /** The task has ended, and all of its log was sent; the stream closes. */
  | { readonly type: 'end'; readonly task: TaskDetail }

/** What the stream of all tasks says: what runs when it opens, then whatever changes. */
export interface TasksStreamEvent {
  readonly type: 'task'
  /** As lists show it. */
  readonly task: TaskSummary
}
