import { describeValue } from '../../client/describe-value.ts'

/** Codes of the errors that the engine throws or stores. They are stable. */
export type TaskErrorCode =
  | 'TASK_NOT_FOUND'
  | 'TASK_ALREADY_FINISHED'
  | 'TASK_NOT_FINISHED'
  | 'TASK_NOT_RUNNING'
  | 'TASK_NOT_PENDING'
  | 'TASK_STILL_STOPPING'
  | 'TASK_BUSY'
  | 'CANCEL_PENDING'
  | 'TASK_TYPE_BUSY'
  | 'SCHEDULE_BUSY'
  | 'TASK_LOST'
  | 'COMPLETION_ROLLED_BACK'
  | 'DUPLICATE_TASK'
  | 'UNIQUE_KEY_BUSY'
  | 'UNKNOWN_TASK_TYPE'
  | 'DUPLICATE_TASK_TYPE'
  | 'INVALID_PARAMS'
  | 'INVALID_ARGUMENT'
  | 'INVALID_RESULT'
  | 'SCHEDULE_NOT_FOUND'
  | 'DUPLICATE_SCHEDULE'
  | 'TOO_MANY_SCHEDULES'
  | 'ERROR_GROUP_NOT_FOUND'
  | 'STEP_NOT_FOUND'
  | 'TOO_MANY_STEPS'
  | 'WAIT_TIMEOUT'
  | 'NOT_READY'
  | 'SHUTTING_DOWN'
  | 'NO_CONNECTION'
  | 'DATABASE_UNAVAILABLE'
  | 'MIGRATION_FAILED'
  | 'UNSUPPORTED_DATABASE'

/** A problem of an invalid input: its JSON pointer, and what was expected. */
export interface FieldProblem {
  /** JSON pointer of the field; empty: the whole input. */
  readonly pointer: string
  /** What was expected. */
  readonly detail: string
}

const MAX_DESCRIBED = 5
const MAX_KEY_CHARS = 100
const MAX_POINTER_CHARS = 400
const MAX_DETAIL_CHARS = 500

/** The first problems as one text. Its length is bounded. */
export function describeProblems(problems: readonly FieldProblem[], whole = ''): string {
  const described = problems.slice(0, MAX_DESCRIBED).map((problem) => {
    const { pointer, detail } = shorten(problem)
    return pointer || whole ? `${pointer || whole}: ${detail}` : detail
  })
  const more = problems.length - described.length
  return more > 0 ? `${described.join('; ')}; and ${more} more` : described.join('; ')
}

/** Cuts every key of the pointer to 100 characters. */
export function shorten({ pointer, detail }: FieldProblem): FieldProblem {
  const keys = pointer.split('/').map((key) => cut(key, MAX_KEY_CHARS))
  return { pointer: cut(keys.join('/'), MAX_POINTER_CHARS), detail: cut(detail, MAX_DETAIL_CHARS) }
}

/** Shortens a text, with `…`. Splits neither surrogate pairs nor escapes of RFC 6901. */
export function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars + 1) return text
  return `${text.slice(0, maxChars).replace(/[~\ud800-\udbff]$/, '')}…`
}

/** An expected failure: a stable `code`, a readable message, and, for invalid input, the fields in `problems`. */
export class TaskError extends Error {
  /** `TaskError`. */
  override readonly name: string = 'TaskError'
  /** Stable: compare it instead of the message. */
  readonly code: TaskErrorCode
  /** The invalid fields; empty for other errors. */
  readonly problems: readonly FieldProblem[]

  constructor(
    code: TaskErrorCode,
    message: string,
    options: { cause?: unknown; problems?: readonly FieldProblem[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.problems = options.problems ?? []
  }
}

export function taskNotFound(taskId: string): TaskError {
  return new TaskError('TASK_NOT_FOUND', `there is no task ${JSON.stringify(taskId)}`)
}

export function taskLost({ taskId, attempt }: { taskId: string; attempt: number }): TaskError {
  return new TaskError('TASK_LOST', `attempt ${attempt} of ${taskId} no longer owns its task`)
}

/** Throw it in a handler to fail the task at once, without a retry. */
export class PermanentError extends Error {
  /** `PermanentError`. */
  override readonly name = 'PermanentError'
}

/** Options of `RetryAfter`. */
export interface RetryAfterOptions {
  /**
   * False: the retry is not counted, and takes place even if none is left, after at least 1,000 ms. The log of the task
   * gets a WARNING instead of an ERROR. Default true.
   */
  readonly spendRetry?: boolean
  /** The error that the task stores. Default: `retry after … ms`. */
  readonly message?: string
  /** The error that made the handler wait, stored with it. Default: none. */
  readonly cause?: unknown
}

/** Throw it in a handler to set the delay of the next retry, if one is left, instead of the backoff. */
export class RetryAfter extends Error {
  /** `RetryAfter`. */
  override readonly name = 'RetryAfter'
  /** Milliseconds, 0 … 2,147,483,647. A retry that is not counted waits 1,000 ms or more. */
  readonly delayMs: number
  /** False: the retry is not counted. */
  readonly spendRetry: boolean

  /** @throws RangeError if `delayMs` is out of range, TypeError if `spendRetry` is no boolean */
  constructor(
    delayMs: number,
    message?: string | RetryAfterOptions,
    options: Omit<RetryAfterOptions, 'message'> = {},
  ) {
    const { spendRetry = true, ...given } = typeof message === 'object' ? message : { message, ...options }
    super(
      given.message ?? `retry after ${delayMs} ms`,
      given.cause === undefined ? undefined : { cause: given.cause },
    )
    if (!Number.isFinite(delayMs) || delayMs < 0 || delayMs > 2_147_483_647) {
      throw new RangeError(`delayMs must be 0 … 2147483647 ms, got ${describeValue(delayMs)}`)
    }
    if (typeof spendRetry !== 'boolean') {
      throw new TypeError(`spendRetry must be true or false, got ${describeValue(spendRetry)}`)
    }
    this.delayMs = delayMs
    this.spendRetry = spendRetry
  }
}
