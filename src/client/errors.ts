import type { Problem } from '../contract/problem.ts'
import { backoffMs } from './patience.ts'

/** Codes of failures without problem details of the server. */
export type ClientErrorCode =
  | 'NETWORK_ERROR'
  | 'INVALID_RESPONSE'
  | 'RESPONSE_TOO_LARGE'
  | 'UNEXPECTED_STATUS'

/** A failed call: the server refused it, did not respond in time, or its response is invalid. */
export class TasksApiError extends Error {
  /** `TasksApiError`. */
  override readonly name = 'TasksApiError'
  /** HTTP status of the response; 0 without one. */
  readonly status: number
  /** Code in the server's problem details, such as `TASK_NOT_FOUND`, or a `ClientErrorCode`. */
  readonly code: string
  /** The invalid fields, as JSON pointers. */
  readonly errors: NonNullable<Problem['errors']>
  /** Seconds of the response's `Retry-After`. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    message: string,
    details: {
      status: number
      code: string
      errors?: Problem['errors']
      retryAfterSeconds?: number | undefined
      cause?: unknown
    },
  ) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.status = details.status
    this.code = details.code
    this.errors = details.errors ?? []
    this.retryAfterSeconds = details.retryAfterSeconds
  }

  /** True if the same call may succeed later: no response, status 408, 429, or 500 and above. */
  get isTransient(): boolean {
    return this.code === 'NETWORK_ERROR' || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

/**
 * Whether a watch ends with this error: 401, 403, and what the server itself refuses by name with 400 or 404. Anything
 * else, such as the 404 of a proxy while the server restarts, may be another response next time.
 */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof TasksApiError)) return false
  const { status, code } = error
  if (status === 401 || status === 403) return true
  return (status === 400 || status === 404) && code !== 'UNEXPECTED_STATUS'
}

/**
 * How long to wait after this error. It counts from `startedAt`, when the failed try began: one that hung until its
 * deadline has waited already.
 */
export function failureWaitMs(error: unknown, failures: number, startedAt = performance.now()): number {
  const seconds = error instanceof TasksApiError ? error.retryAfterSeconds : undefined
  const elapsedMs = performance.now() - startedAt
  return Math.max(backoffMs(1), backoffMs(failures, (seconds ?? 0) * 1_000) - elapsedMs)
}

/** A response that is not what a server of this package sends. */
export function invalidResponse(message: string, cause?: unknown, status = 200): TasksApiError {
  return new TasksApiError(message, { status, code: 'INVALID_RESPONSE', cause })
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
