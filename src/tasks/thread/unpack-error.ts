import { PermanentError, RetryAfter, TaskError, type TaskErrorCode } from '../errors.ts'
import type { SentError } from './protocol.ts'

/** The error again, of the class that the engine goes by. */
export function unpackError({ name, message, stack, cause, delayMs, code }: SentError): Error {
  const error = create(name, message, delayMs, code)
  if (cause) error.cause = unpackError(cause)
  if (stack !== undefined) error.stack = stack
  return error
}

function create(name: string, message: string, delayMs: number | undefined, code: string | undefined): Error {
  if (name === 'PermanentError') return new PermanentError(message)
  if (name === 'RetryAfter' && delayMs !== undefined) return new RetryAfter(delayMs, message)
  // Only this package makes errors of that name, with codes of that union.
  if (name === 'TaskError' && code !== undefined) return new TaskError(code as TaskErrorCode, message)
  const error = new Error(message)
  error.name = name
  return error
}
