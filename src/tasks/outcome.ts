import { withoutStatement } from '../db/statement-error.ts'
import { PermanentError, RetryAfter, TaskError } from './errors.ts'

/** Why a handler's signal aborted. The first cause wins. */
export type AbortCause = 'cancelled' | 'timeout' | 'lost' | 'shutdown'

/** What the handler did: its result as JSON text (null: none), or what it threw. */
export type HandlerEnd = { readonly returned: string | null } | { readonly thrown: unknown }

/** What is written down about an attempt. */
export type Outcome =
  | { readonly kind: 'complete'; readonly result: string | null }
  | (Failure & { readonly kind: 'retry'; readonly delayMs: number })
  | (Failure & { readonly kind: 'fail' })
  /** Handed back unharmed: a shutdown interrupted it. */
  | { readonly kind: 'release' }
  /** The row has ended, or belongs to somebody else: nothing may be written. */
  | { readonly kind: 'abandon' }

export type FailureOutcome = 'failed' | 'timed_out'

interface Failure {
  readonly error: string
  /** Where it was thrown; null when nothing was. */
  readonly stack: string | null
  readonly as: FailureOutcome
}

export interface AttemptLimits {
  readonly retryCount: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
  /** What the type's policy says after a failure, `retry` retries having been spent before. */
  readonly retryDelayMs: (retry: number, error: unknown) => number
  /** Hides what nobody may read. */
  readonly scrub: (text: string) => string
}

/** Abort cause first, then what the handler did, then the retries that are left. */
export function classify(end: HandlerEnd, cause: AbortCause | undefined, limits: AttemptLimits): Outcome {
  if (cause === 'cancelled' || cause === 'lost') return { kind: 'abandon' }
  // Whatever an interrupted handler returned, it may have stopped half-way.
  if (cause === 'shutdown') return { kind: 'release' }
  if (cause === 'timeout') {
    const error = timeoutText(limits.timeoutSeconds)
    return failure({ error, stack: null, as: 'timed_out' }, new DOMException(error, 'TimeoutError'), limits)
  }
  if ('returned' in end) return { kind: 'complete', result: end.returned }
  const { thrown } = end
  const error = describeError(thrown, limits.scrub)
  return failure({ error, stack: describeStack(thrown, limits.scrub), as: 'failed' }, thrown, limits)
}

function failure(what: Failure, thrown: unknown, limits: AttemptLimits): Outcome {
  const { retryCount, maxRetries } = limits
  if (isPermanent(thrown) || retryCount >= maxRetries) return { kind: 'fail', ...what }
  return { kind: 'retry', ...what, delayMs: delayOf(thrown) ?? limits.retryDelayMs(retryCount, thrown) }
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

const MAX_STACK_CHARS = 20_000

/** One line and its causes; never a stack, which names files of the server, nor a statement. */
export function describeError(thrown: unknown, scrub = asItIs): string {
  const parts: string[] = []
  let current = withoutStatement(thrown)
  while (parts.length < MAX_ERRORS) {
    parts.push(scrub(oneError(current)).slice(0, MAX_PART_CHARS))
    if (!(current instanceof Error) || current.cause === undefined) break
    current = withoutStatement(current.cause)
  }
  return toStorable(parts.join(': '))
}

/** Where an error and its causes were thrown; null for what is no error. At most 20,000 characters, no statement. */
export function describeStack(thrown: unknown, scrub = asItIs): string | null {
  const parts: string[] = []
  let current = withoutStatement(thrown)
  while (current instanceof Error && parts.length < MAX_ERRORS) {
    parts.push(scrub(current.stack ?? oneError(current)))
    current = withoutStatement(current.cause)
  }
  if (parts.length === 0) return null
  // The last one is the reason: none may push it out.
  const room = Math.floor(MAX_STACK_CHARS / parts.length) - CAUSED_BY.length
  return toStorable(parts.map((part) => part.slice(0, room)).join(CAUSED_BY))
}

const CAUSED_BY = '\ncaused by: '

function asItIs(text: string): string {
  return text
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
