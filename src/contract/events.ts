import type { TaskDetail, TaskLogLine, TaskSummary } from './task.ts'

/** What the stream of one task says; the data of an event is the JSON of what it names. */
export type TaskStreamEvent =
  /** The task as it is now: at the start of the stream, and after every change. */
  | { readonly type: 'task'; readonly task: TaskDetail }
  /** A line of its log; its id is the event's id. */
  | { readonly type: 'log'; readonly line: TaskLogLine }
  /** The task has ended, and all of its log was sent; the stream closes. */
  | { readonly type: 'end'; readonly task: TaskDetail }

/** Events of the stream of all tasks: what runs when it opens, then every change. */
export type TasksStreamEvent =
  /** A task was created or has changed; its data is the task as lists show it. */
  | { readonly type: 'task'; readonly task: TaskSummary }
  /** A task was deleted; its data is `{ taskId }`. */
  | { readonly type: 'deleted'; readonly taskId: string }
  /** A type was paused or resumed; its data is `{ taskType, paused }`. */
  | { readonly type: 'type'; readonly taskType: string; readonly paused: boolean }
