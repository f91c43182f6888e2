/** Codes of the errors that the engine throws or stores; part of the public contract. */
export type TaskErrorCode =
  | 'TASK_NOT_FOUND'
  | 'TASK_ALREADY_FINISHED'
  | 'TASK_NOT_FINISHED'
  | 'TASK_NOT_RUNNING'
  | 'TASK_STILL_STOPPING'
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
  | 'WAIT_TIMEOUT'
  | 'SHUTTING_DOWN'
  | 'MIGRATION_FAILED'

/** One problem of a rejected input: where it is (a JSON pointer) and what was expected. */
export interface FieldProblem {
  readonly pointer: string
  readonly detail: string
}

/** Every expected failure of the engine: a stable `code`, a message for people, and the fields at fault. */
export class TaskError extends Error {
  override readonly name: string = 'TaskError'
  readonly code: TaskErrorCode
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

/** Thrown by a handler: the task fails at once, whatever retries are left. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError'
}

/** Thrown by a handler: the next attempt (if one is left) is due after `delayMs` instead of the back-off's. */
export class RetryAfter extends Error {
  override readonly name = 'RetryAfter'
  /** Milliseconds, 0 … 2,147,483,647. */
  readonly delayMs: number

  constructor(delayMs: number, message = `retry after ${delayMs} ms`, options?: { cause?: unknown }) {
    super(message, options)
    if (!Number.isFinite(delayMs) || delayMs < 0 || delayMs > 2_147_483_647) {
      throw new RangeError(`delayMs must be 0 … 2147483647 ms, got ${delayMs}`)
    }
    this.delayMs = delayMs
  }
}
