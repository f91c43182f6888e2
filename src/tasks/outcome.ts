import { withoutStatement } from '../db/statement-error.ts'
import { PermanentError, RetryAfter, TaskError } from './errors.ts'
import { retryDelayMs } from './retry-policy.ts'

/** Why a handler's signal aborted. The first cause wins. */
export type AbortCause = 'cancelled' | 'timeout' | 'lost' | 'shutdown'

/** What the handler did: its result as JSON text (null: none), or what it threw. */
export type HandlerEnd = { readonly returned: string | null } | { readonly thrown: unknown }

/** What is written down about an attempt. */
export type Outcome =
  | { readonly kind: 'complete'; readonly result: string | null }
  | { readonly kind: 'retry'; readonly error: string; readonly delayMs: number; readonly as: FailureOutcome }
  | { readonly kind: 'fail'; readonly error: string; readonly as: FailureOutcome }
  /** Handed back unharmed: a shutdown interrupted it. */
  | { readonly kind: 'release' }
  /** The row has ended, or belongs to somebody else: nothing may be written. */
  | { readonly kind: 'abandon' }

export type FailureOutcome = 'failed' | 'timed_out'

export interface AttemptLimits {
  readonly retryCount: number
  readonly maxRetries: number
  readonly retryBaseMs: number
  readonly timeoutSeconds: number
}

/** Abort cause first, then what the handler did, then the retries that are left. */
export function classify(end: HandlerEnd, cause: AbortCause | undefined, limits: AttemptLimits): Outcome {
  if (cause === 'cancelled' || cause === 'lost') return { kind: 'abandon' }
  // Whatever an interrupted handler returned, it may have stopped half-way.
  if (cause === 'shutdown') return { kind: 'release' }
  if (cause === 'timeout') return failure(timeoutText(limits.timeoutSeconds), undefined, 'timed_out', limits)
  if ('returned' in end) return { kind: 'complete', result: end.returned }
  return failure(describeError(end.thrown), end.thrown, 'failed', limits)
}

function failure(error: string, thrown: unknown, as: FailureOutcome, limits: AttemptLimits): Outcome {
  if (isPermanent(thrown) || limits.retryCount >= limits.maxRetries) return { kind: 'fail', error, as }
  const delayMs = delayOf(thrown) ?? retryDelayMs(limits.retryBaseMs, limits.retryCount)
  return { kind: 'retry', error, delayMs, as }
}

// Both by name too: a handler may have been bundled with another copy of this package.

function isPermanent(thrown: unknown): boolean {
  return thrown instanceof PermanentError || (thrown instanceof Error && thrown.name === 'PermanentError')
}

/** The delay that a `RetryAfter` asks for. */
function delayOf(thrown: unknown): number | undefined {
  if (thrown instanceof RetryAfter) return thrown.delayMs
  if (!(thrown instanceof Error && thrown.name === 'RetryAfter' && 'delayMs' in thrown)) return undefined
  const { delayMs } = thrown
  return typeof delayMs === 'number' && delayMs >= 0 && delayMs <= 2_147_483_647 ? delayMs : undefined
}

export function timeoutText(timeoutSeconds: number): string {
  return `timed out after ${timeoutSeconds} s`
}

const MAX_ERROR_CHARS = 10_000
const MAX_ERRORS = 5
/** So that the last one, which is the reason, is never cut off by those before it. */
const MAX_PART_CHARS = MAX_ERROR_CHARS / MAX_ERRORS - ': '.length

/** One line and its causes; never a stack, which names files of the server, nor a statement. */
export function describeError(thrown: unknown): string {
  const parts: string[] = []
  let current = withoutStatement(thrown)
  while (parts.length < MAX_ERRORS) {
    parts.push(oneError(current).slice(0, MAX_PART_CHARS))
    if (!(current instanceof Error) || current.cause === undefined) break
    current = withoutStatement(current.cause)
  }
  return toStorable(parts.join(': '))
}

function oneError(value: unknown): string {
  if (value instanceof TaskError) return `${value.code}: ${value.message}`
  if (value instanceof Error) {
    const plain = value.name === 'Error' || value.name === 'PermanentError' || value.name === 'RetryAfter'
    if (value.message === '') return value.name
    return plain ? value.message : `${value.name}: ${value.message}`
  }
  if (typeof value === 'string') return value
  try {
    return `thrown: ${JSON.stringify(value) ?? String(value)}`
  } catch {
    // A cycle, a BigInt: its type still says more than nothing.
    return `thrown: a value of type ${typeof value}`
  }
}

/** What PostgreSQL can keep as text: NUL and lone surrogates become U+FFFD. */
export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD')
}
