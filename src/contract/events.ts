import type { TaskDetail, TaskLogLine, TaskStep, TaskSummary } from './task.ts'

/** Events of a task's stream. The data of an event is the JSON of its second property. */
export type TaskStreamEvent<Detail = TaskDetail> =
  /** The task in detail: at the start of the stream and after every change. */
  | { readonly type: 'task'; readonly task: Detail }
  /** A line of the task's log. The event's id is the id of the line. */
  | { readonly type: 'log'; readonly line: TaskLogLine }
  /** A step was finished, or a sleep has begun. Later `task` events contain it. */
  | { readonly type: 'step'; readonly step: TaskStep }
  /** The task has ended and its whole log was sent; the stream closes. */
  | { readonly type: 'end'; readonly task: Detail }

/** Events of the stream of all tasks: first the running tasks, then every change. */
export type TasksStreamEvent =
  /** A task was created or has changed. The data is the task as in lists. */
  | { readonly type: 'task'; readonly task: TaskSummary }
  /** A task was deleted; its data is `{ taskId }`. */
  | { readonly type: 'deleted'; readonly taskId: string }
  /** A type was paused or resumed; its data is `{ taskType, paused }`. */
  | { readonly type: 'type'; readonly taskType: string; readonly paused: boolean }
