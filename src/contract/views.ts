/** Views of tasks, types and executors, as `app.tasks`, the client and its hooks return them. */

/** The five statuses; no other exists. */
export type TaskStatus = 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'

/** How an attempt ended: `interrupted` by a stop, `lost` with its process. */
export type AttemptOutcome =
  | 'completed'
  | 'failed'
  | 'timed_out'
  | 'cancelled'
  | 'interrupted'
  | 'lost'
  | 'sleeping'

/** Level of a line in a task's log. */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR'

/** Any JSON value. */
export type Json = string | number | boolean | null | Json[] | /** An object. */ { [key: string]: Json }

/** A task in lists. */
export interface TaskSummary {
  /** Unique id, `task_` and 32 hexadecimal digits or more. */
  taskId: string
  /** Name of its type. */
  taskType: string
  /** `pending` also while it waits for a retry or for its due time. */
  status: TaskStatus
  /** Progress of the latest attempt, 0 … `total`; it never falls within an attempt. */
  progress: number
  /** What `progress` counts up to; 0 until a handler reports it. */
  total: number
  /** 100 × `progress` / `total`, rounded down; 0 while `total` is 0, and 100 when completed. */
  percent: number
  /** The step that the handler reported last, at most 200 characters; null: none. */
  step: string | null
  /** When its row was created. */
  createdAt: Date
  /** Start of the latest attempt; null before the first one. */
  startedAt: Date | null
  /** When it completed or failed; null otherwise. */
  completedAt: Date | null
  /** When it was cancelled; null otherwise. */
  cancelledAt: Date | null
  /** Due time: it does not start before. A retry moves it. */
  runAt: Date
  /** Retries used. An operator's retry resets it. */
  retryCount: number
  /** Retries allowed, after the first attempt. */
  maxRetries: number
  /** Message of the last error; null: none, and always null when completed. */
  error: string | null
  /** In lists: its first params, such as `invoice: INV-17`, at most 200 characters. Absent: none, or not in a list. */
  paramsPreview?: string | undefined
}

/** One attempt of a task. */
export interface TaskAttempt {
  /** Its number, from 1; it keeps counting over retries by operators. */
  attempt: number
  /** When it was claimed. */
  startedAt: Date
  /** When its end was written; null while it runs. */
  endedAt: Date | null
  /** How it ended; null while it runs. */
  outcome: AttemptOutcome | null
  /** Message of its error; null: none. */
  error: string | null
  /** Stack of the error; null if the attempt threw nothing. */
  stack: string | null
  /** Id of the executor that ran it; absent if unknown. */
  executorId?: string | undefined
  /** False: it failed and is retried without spending a retry (`RetryAfter`); absent otherwise. */
  spentRetry?: false | undefined
}

/** A task in detail. */
export interface TaskDetail extends TaskSummary {
  /** Its params as they are stored, with `[redacted]` in place of secrets. */
  params: Record<string, Json>
  /** What its handler returned, as JSON; null before it completed, or if it returned nothing. */
  result: Json
  /** Id of the user who created it, as text; null: none. */
  createdBy: string | null
  /** Seconds after which the signal of an attempt aborts. */
  timeoutSeconds: number
  /** −100 … 100, higher first. */
  priority: number
  /** At most one unfinished task has a given key; null: no key. */
  uniqueKey: string | null
  /** At most one running task of its type has a given key; null: no key. */
  concurrencyKey: string | null
  /** Latest start: if it has not started by then, it ends `cancelled` with the error `expired`; null: never. */
  expiresAt: Date | null
  /** The task has ended, but its handler has not returned yet, in a live executor. */
  stopping: boolean
  /** Id of the executor that runs it, or ran it last; null before the first attempt. */
  executorId: string | null
  /** `executor`: it has been due for a second, and no live executor has registered its type. Absent: nothing. */
  waitingFor?: 'executor' | undefined
  /** Its newest 1,000 attempts, oldest first. */
  attempts: TaskAttempt[]
  /** Its newest 1,000 finished steps and sleeps, oldest first. */
  steps: TaskStep[]
  /** How many steps and sleeps it has finished in all. */
  stepCount: number
}

/** A finished step of a task, or a sleep, which is there from its beginning. */
export interface TaskStep {
  /** The name that the handler gave it. */
  name: string
  /** Number of the attempt that finished it. */
  attempt: number
  /** When it began. */
  startedAt: Date
  /** When it was finished; of a sleep: when it is over, which may lie ahead. */
  endedAt: Date
}

/** A page of tasks, newest first. */
export interface TaskList {
  /** The tasks of the page. */
  tasks: TaskSummary[]
  /** How many tasks match; exact up to 10,000. */
  total: number
  /** True: there are more tasks than `total`. Absent otherwise. */
  totalIsEstimate?: true | undefined
  /** Number of the page, from 1. */
  page: number
  /** Most tasks that a page holds. */
  pageSize: number
  /** `cursor` of the next page; null on the last one. */
  nextCursor: string | null
  /**
   * With `error`, `param`, `uniqueKey`, `executorId` or another order: which tasks this page was found in. No index finds
   * them, so a call searches the newest 20,000 that the other filters leave, and `nextCursor` goes on from there.
   */
  searched?: SearchedTasks | undefined
}

/** The tasks that a page was found in. */
export interface SearchedTasks {
  /** How many: at most 20,000. */
  tasks: number
  /** When the oldest of them was created; null: there are none. */
  oldest: Date | null
  /** True: there are no older ones. */
  isComplete: boolean
}

/** A line of a task's log. */
export interface TaskLogLine {
  /** Rises with each line of a log. */
  id: number
  /** `WARNING` is that of `ctx.log.warn`. */
  level: LogLevel
  /** Its text, at most 10,000 characters. */
  message: string
  /** When the line was written to the database. */
  createdAt: Date
  /** Number of the attempt that wrote it; null for a line that no handler wrote. */
  attempt: number | null
  /** Its structured fields; absent: none. */
  data?: Json | undefined
}

/** A page of a task's log. */
export interface TaskLogPage {
  /** The lines of the page. */
  logs: TaskLogLine[]
  /** How many lines match; with `q`, how many lines there are to search. Absent: it was not asked for. */
  total?: number | undefined
  /** With `q`: how many lines were searched. */
  searched?: number | undefined
  /** With `q`: the `afterId`, or `beforeId` with `order: 'desc'`, that continues the search; null: all were searched. */
  nextId?: number | null | undefined
  /** Number of the page, from 1. */
  page: number
  /** Most lines that a page holds. */
  pageSize: number
}

/** A registered task type, with its defaults in the process that was asked. */
export interface TaskTypeView {
  /** Its name. */
  taskType: string
  /** Seconds after which the signal of an attempt aborts. */
  timeoutSeconds: number
  /** Retries after the first attempt. */
  maxRetries: number
  /** Milliseconds before the first retry. */
  retryBaseMs: number
  /** Backoff before a retry; null if a function computes the delay. */
  retry: {
    /** Milliseconds before the first retry. */
    baseMs: number
    /** What each later delay is multiplied by. */
    factor: number
    /** Longest delay in milliseconds. */
    maxMs: number
    /** Share of the delay that is random, 0 … 1. */
    jitter: number
  } | null
  /** −100 … 100, higher first. */
  priority: number
  /** Tasks of the type that run at once in one process; null: no limit. */
  concurrency: number | null
  /** Tasks of the type that run at once over all processes; null: no limit. */
  globalConcurrency: number | null
  /** Starts of its tasks over all processes; null: no limit. */
  rateLimit: {
    /** Starts in any window of `perSeconds`. */
    max: number
    /** Length of the window in seconds. */
    perSeconds: number
    /** Each key has a limit of its own. */
    keyed: boolean
    /** When the next task may start, or the next one of a key that must wait; null: nothing has to wait. */
    nextPermitAt: Date | null
  } | null
  /** Its tasks do not start; running ones continue. */
  paused: boolean
  /** `executor`: its tasks have been due for a second, and no live executor has registered it. Absent: nothing. */
  waitingFor?: 'executor' | undefined
  /** JSON Schema of the params. */
  params: Record<string, Json>
}

/** Numbers of tasks of each status. */
export interface StatusCounts {
  /** Tasks that wait, for a slot, a retry or their due time. */
  pending: number
  /** Tasks that an executor runs. */
  running: number
  /** Tasks that completed and are still kept. */
  completed: number
  /** Tasks that failed for good and are still kept. */
  failed: number
  /** Tasks that were cancelled and are still kept. */
  cancelled: number
}

/** Numbers of tasks of one type. */
export interface TypeCounts extends StatusCounts {
  /** Name of the type. */
  taskType: string
  /** `executor`: its tasks have been due for a second, and no live executor has registered it. Absent: nothing. */
  waitingFor?: 'executor' | undefined
}

/** Numbers of tasks in the table, and waits. */
export interface TaskStats {
  /** Over all types. */
  byStatus: StatusCounts
  /** Of each type that has tasks. */
  byType: TypeCounts[]
  /** A type has more than 10,000 ended tasks of a status, which count as 10,000; sums with that count are minimums. */
  isCapped: boolean
  /** Seconds that the oldest due task has waited; null if none waits. */
  oldestDueSeconds: number | null
  /** The same without tasks that cannot start: those of paused types, and of types that no live executor has. */
  oldestClaimableSeconds?: number | null | undefined
  /** Tasks that ended in each of the last 60 minutes, oldest first; the last one is incomplete. */
  finishedPerMinute: {
    /** Its start. */
    minute: Date
    /** Tasks that completed in it. */
    completed: number
    /** Tasks that failed for good in it. */
    failed: number
    /** Tasks that were cancelled in it. */
    cancelled: number
  }[]
}
