import { PermanentError, RetryAfter, TaskError, type TaskErrorCode } from '../../definition/errors.ts'
import { Suspended } from '../../definition/steps.ts'
import { type Thrown, toError } from '../../definition/thrown.ts'
import type { SentError } from './protocol.ts'

export function unpackError({ thrown, isPermanent, delayMs, spendsRetry }: SentError): unknown {
  const error = toError(thrown)
  if (typeof error === 'string') return error
  const known = create(thrown, isPermanent, delayMs, spendsRetry)
  return known ? Object.assign(known, { ...error, stack: error.stack, cause: error.cause }) : error
}

function create(
  { name, message, code }: Thrown,
  isPermanent: boolean,
  delayMs: number | undefined,
  spendRetry: boolean,
): Error | undefined {
  if (isPermanent) return new PermanentError(message)
  if (delayMs !== undefined) return new RetryAfter(delayMs, { message, spendRetry })
  if (name === 'Suspended') return new Suspended(message)
  // Only this package throws errors of that name.
  if (name === 'TaskError' && code !== undefined) return new TaskError(code as TaskErrorCode, message)
  return undefined
}
