import type { MissedTicks } from './schedule-views.ts'
import type { LogLevel, TaskStatus } from './views.ts'

/** Arguments of `app.tasks` and of the client. */

/** What a bulk action does with each task. */
export type BulkAction = 'cancel' | 'retry' | 'delete'

/** Which tasks a list or a bulk action is about. Without a field: all. */
export interface TaskFilter {
  /** Any of these statuses. */
  status?: TaskStatus[] | undefined
  /** Name of their type. */
  taskType?: string | undefined
  /** A prefix of the task id, or a part of the type, at most 100 characters. */
  q?: string | undefined
  /** Created at this instant or later. */
  createdAfter?: Date | undefined
  /** Created before this instant. */
  createdBefore?: Date | undefined
  /** Id of the user who created them, as text. */
  createdBy?: string | undefined
  /** Failed tasks whose error is of the group with this id. */
  errorGroup?: string | undefined
}

/** What a list is sorted by, the latest, longest or most first. */
export type TaskSort = 'created' | 'ended' | 'duration' | 'waiting' | 'attempts'

/** Filter, order and page of a list of tasks. */
export interface TaskQuery extends TaskFilter {
  /** Any of these ids, at most 200. */
  taskId?: string[] | undefined
  /** Text in the last error, in any case, at most 200 characters. See `searched` of the list. */
  error?: string | undefined
  /** `key:value` of a param, such as `invoice:INV-17`: a text, number, boolean or null. See `searched` of the list. */
  param?: string | undefined
  /** Complete unique key, also of ended tasks. See `searched` of the list. */
  uniqueKey?: string | undefined
  /** Id of the executor of the latest attempt. See `searched` of the list. */
  executorId?: string | undefined
  /**
   * `duration`: of the latest attempt; `waiting`: from its due time to its start, or to now. All orders but `created` sort
   * only the tasks that `searched` of the list counts. Default `created`.
   */
  sort?: TaskSort | undefined
  /** Number of the page, from 1. `page` × `pageSize` is at most 10,000 over REST: use `cursor` beyond. Default 1. */
  page?: number | undefined
  /** Tasks of a page, 1 … 10,000 in code, 1 … 200 over REST. Default 50. */
  pageSize?: number | undefined
  /** `nextCursor` of the previous page; `page` is then ignored. */
  cursor?: string | undefined
}

/** Filter and page of a task's log. */
export interface LogQuery {
  /** Lines of this level alone. Default: all. */
  level?: LogLevel | undefined
  /** Number of the page, from 1. Default 1. */
  page?: number | undefined
  /** Lines of a page, 1 … 10,000 in code, 1 … 200 over REST. Default 50. */
  pageSize?: number | undefined
  /** Only lines with a greater id. Default 0. */
  afterId?: number | undefined
  /** Only lines with a smaller id. */
  beforeId?: number | undefined
  /** Only lines written from then on. */
  since?: Date | undefined
  /** Only lines that contain it, in any case; 1 … 200 characters. A call scans 50,000 lines: see `nextId`. */
  q?: string | undefined
  /** False: leaves out `total`, which takes long to count in a log of a million lines. Default true. */
  total?: boolean | undefined
  /** `asc`: oldest first. Default `asc`. */
  order?: 'asc' | 'desc' | undefined
}

/** A new task, as REST takes it. */
export interface NewTask {
  /** Name of its type. */
  taskType: string
  /** Checked by the type's schema. Default: none. */
  params?: Record<string, unknown>
  /** Attempts after the first, 0 … 100. Default: the type's. */
  maxRetries?: number
  /** Seconds after which the signal of an attempt aborts, 1 … 2,147,483. Default: the type's. */
  timeoutSeconds?: number
  /** −100 … 100, higher first. Default: the type's. */
  priority?: number
  /** Earliest start. Default: now. */
  runAt?: Date
  /** Milliseconds from now until the earliest start, at most ten years; instead of `runAt`. */
  delayMs?: number
  /** Latest start: if it has not started by then, it ends `cancelled` with the error `expired`. Default: never. */
  expiresAt?: Date
  /** At most one unfinished task has a given key, 1 … 255 characters. Default: no key. */
  uniqueKey?: string
  /**
   * If an unfinished task has the key: `return` it, `reject` with `DUPLICATE_TASK`, or `replace`: if it is pending and of
   * the same type, it takes the params, priority, due time, expiry, retries and timeout. Default `return`.
   */
  onDuplicate?: 'return' | 'reject' | 'replace'
  /** Milliseconds after its creation beyond which replacements do not postpone it, at most ten years. Default: no limit. */
  maxDelayMs?: number
}

/** A change of a pending task: at least one of the fields. */
export interface TaskChangeRequest {
  /** Replace all params. Checked by the type's schema. */
  params?: Record<string, unknown>
  /** −100 … 100, higher first. */
  priority?: number
  /** Earliest start. */
  runAt?: Date
}

/** Fields of a schedule that a request sets. */
interface ScheduleFields {
  /** Params of its tasks, parsed by the type at each tick. Default: none. */
  params?: Record<string, unknown>
  /** IANA time zone. Default `UTC`. */
  timeZone?: string
  /** False: it creates no tasks. Default true. */
  enabled?: boolean
  /** What happens to ticks that no process fired in time. Default `skip`. */
  missed?: MissedTicks
}

/** A new schedule, as REST takes it. */
export interface NewScheduleRequest extends ScheduleFields {
  /** Unique name, 1 … 100 letters, digits, `_`, `.`, `:` or `-`, the first a letter or digit. */
  name: string
  /** Cron expression of five fields, or six with seconds first, or a nickname such as `@daily`. */
  cron: string
  /** Type of the tasks that it creates. */
  taskType: string
}

/** A change of a schedule: at least one of the fields; those that are left out stay. */
export interface ScheduleChangeRequest extends ScheduleFields {
  /** Cron expression of five fields, or six with seconds first, or a nickname such as `@daily`. */
  cron?: string
  /** Type of the tasks that it creates. */
  taskType?: string
}

/** An action on up to 1,000 tasks, named by `taskIds` or selected by `filter`. */
export interface BulkRequest {
  /** What to do with each. */
  action: BulkAction
  /** Ids of 1 … 1,000 tasks. Give either this or `filter`. */
  taskIds?: string[]
  /**
   * Selects the newest 1,000 tasks that match and allow the action; a retry includes completed tasks only if `status`
   * lists them. Give either this or `taskIds`.
   */
  filter?: TaskFilter
  /** True: returns what would happen and changes nothing. Default false. */
  dryRun?: boolean
  /**
   * True, with `retry`: a cancelled task keeps its due time, used retries, error and expiry, which undoes the cancel of a
   * pending one. Default false.
   */
  restore?: boolean
}

/** Results of a bulk action. */
export interface BulkResponse {
  /** One for each task. */
  results: {
    /** Id of the task. */
    taskId: string
    /** Whether the action was carried out, or would be. */
    ok: boolean
    /** Why not, such as `TASK_ALREADY_FINISHED`; absent if `ok`. */
    code?: string | undefined
    /** It was pending when this call cancelled it: a `retry` with `restore` undoes that. Absent otherwise. */
    wasPending?: true | undefined
  }[]
  /** Another call would find more tasks that match the filter. */
  more: boolean
}
