import { PermanentError, RetryAfter } from './errors.ts'
import { isError, isInstance, readProperty, readThrown, type Thrown } from './thrown.ts'

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
  /** Reads what was thrown, without what nobody may see. Default: all of it. */
  readonly read?: (thrown: unknown) => Thrown
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
  const error = describeError(thrown, limits.read)
  return failure({ error, stack: describeStack(thrown, limits.read), as: 'failed' }, thrown, limits)
}

function failure(what: Failure, thrown: unknown, limits: AttemptLimits): Outcome {
  const { retryCount, maxRetries } = limits
  if (isPermanent(thrown) || retryCount >= maxRetries) return { kind: 'fail', ...what }
  return { kind: 'retry', ...what, delayMs: retryDelayOf(thrown) ?? limits.retryDelayMs(retryCount, thrown) }
}

/** By name too: a handler may have been bundled with another copy of this package. */
export function isPermanent(thrown: unknown): boolean {
  return isInstance(thrown, PermanentError) || readThrown(thrown).name === 'PermanentError'
}

/** The delay that a `RetryAfter` asks for. */
export function retryDelayOf(thrown: unknown): number | undefined {
  if (!isError(thrown)) return undefined
  if (!isInstance(thrown, RetryAfter) && readThrown(thrown).name !== 'RetryAfter') return undefined
  const delayMs = readProperty(thrown, 'delayMs')
  return typeof delayMs === 'number' && delayMs >= 0 && delayMs <= 2_147_483_647 ? delayMs : undefined
}

export function timeoutText(timeoutSeconds: number): string {
  return `timed out after ${timeoutSeconds} s`
}

const MAX_ERROR_CHARS = 10_000
const MAX_ERRORS = 5
/** So that the last one, which is the reason, is never cut off by those before it. */
const MAX_PART_CHARS = MAX_ERROR_CHARS / MAX_ERRORS - ': '.length

const MAX_INNER_CHARS = 500
const MAX_STACK_CHARS = 20_000
/** Names that say no more than that something was thrown. */
const SILENT_NAMES = new Set(['Error', 'PermanentError', 'RetryAfter'])

/** One line and its causes; never a stack, which names files of the server, nor a statement. */
export function describeError(thrown: unknown, read: (thrown: unknown) => Thrown = readThrown): string {
  return toStorable(inWords(read(thrown)))
}

/** Where an error and its causes were thrown; null for what is no error. At most 20,000 characters, no statement. */
export function describeStack(
  thrown: unknown,
  read: (thrown: unknown) => Thrown = readThrown,
): string | null {
  const errors = withCauses(read(thrown)).filter(({ name }) => name !== undefined)
  if (errors.length === 0) return null
  // The last one is the reason: none may push it out.
  const room = Math.floor(MAX_STACK_CHARS / errors.length) - CAUSED_BY.length
  return toStorable(errors.map((error) => (error.stack ?? oneError(error)).slice(0, room)).join(CAUSED_BY))
}

/** What the innermost cause says. */
export function reasonOf(thrown: Thrown): string {
  return thrown.cause ? reasonOf(thrown.cause) : withInner(thrown)
}

const CAUSED_BY = '\ncaused by: '

function inWords(thrown: Thrown): string {
  const causes = []
  for (let at: Thrown | undefined = thrown; at; at = at.cause)
    causes.push(oneError(at).slice(0, MAX_PART_CHARS))
  return causes.join(': ')
}

/** The errors of an aggregate before its cause. */
function withCauses(thrown: Thrown): Thrown[] {
  const { errors = [], cause } = thrown
  return [thrown, ...errors.flatMap(withCauses), ...(cause ? withCauses(cause) : [])].slice(0, MAX_ERRORS)
}

function oneError(thrown: Thrown): string {
  const { name, message, code } = thrown
  const words = withInner(thrown)
  if (name === undefined) return words
  if (name === 'TaskError' && code !== undefined) return `${code}: ${words}`
  if (message === '') return `${name} ${words}`.trim()
  return SILENT_NAMES.has(name) ? words : `${name}: ${words}`
}

function withInner({ message, errors }: Thrown): string {
  if (!errors) return message
  return `${message} (${errors.map((one) => inWords(one).slice(0, MAX_INNER_CHARS)).join('; ')})`.trim()
}

/** What PostgreSQL can keep as text: NUL and lone surrogates become U+FFFD. */
export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD')
}
