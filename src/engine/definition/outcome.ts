import { PermanentError, RetryAfter } from './errors.ts'
import type { Sleep } from './steps.ts'
import { isError, isInstance, readProperty, readThrown, type Thrown } from './thrown.ts'

export type AbortCause = 'cancelled' | 'timeout' | 'lost' | 'shutdown'

export type HandlerEnd =
  | { readonly returned: string | null }
  | { readonly thrown: unknown }
  /** A sleep has suspended the run: what the handler returned or threw decides nothing. */
  | { readonly suspended: Sleep }

export type Outcome =
  | { readonly kind: 'complete'; readonly result: string | null }
  | (Failure & { readonly kind: 'retry'; readonly delayMs: number; readonly spendsRetry: boolean })
  | (Failure & { readonly kind: 'fail' })
  | { readonly kind: 'release' }
  | { readonly kind: 'sleep'; readonly sleep: Sleep }
  /** The fence does not hold: nothing may be written. */
  | { readonly kind: 'abandon' }

export type FailureOutcome = 'failed' | 'timed_out'

interface Failure {
  readonly error: string
  readonly stack: string | null
  readonly as: FailureOutcome
}

export interface AttemptLimits {
  readonly retryCount: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
  readonly retryDelayMs: (retry: number, error: unknown) => number
  /** Reads what was thrown, secrets redacted. Default: unredacted. */
  readonly read?: (thrown: unknown) => Thrown
}

/** Decides by the abort cause first, then by the handler's end, then by the retries left. */
export function classify(end: HandlerEnd, cause: AbortCause | undefined, limits: AttemptLimits): Outcome {
  if (cause === 'cancelled' || cause === 'lost') return { kind: 'abandon' }
  if ('suspended' in end) return { kind: 'sleep', sleep: end.suspended }
  // Even if it returned, the handler may have stopped half-way.
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
  const delayMs = retryDelayOf(thrown)
  const spendsRetry = delayMs === undefined || spendsRetryOf(thrown)
  if (isPermanent(thrown) || (spendsRetry && retryCount >= maxRetries)) return { kind: 'fail', ...what }
  const givenMs = delayMs ?? limits.retryDelayMs(retryCount, thrown)
  return { kind: 'retry', ...what, delayMs: spendsRetry ? givenMs : uncountedDelayMs(givenMs), spendsRetry }
}

/** Nothing else ends a run of uncounted retries: without a least delay they would be a hot loop. */
function uncountedDelayMs(delayMs: number): number {
  return Math.max(MIN_UNCOUNTED_DELAY_MS, delayMs)
}

/** By name too: a bundled handler may use another copy of this package. */
export function isPermanent(thrown: unknown): boolean {
  return isInstance(thrown, PermanentError) || readThrown(thrown).name === 'PermanentError'
}

export function retryDelayOf(thrown: unknown): number | undefined {
  if (!isError(thrown)) return undefined
  if (!isInstance(thrown, RetryAfter) && readThrown(thrown).name !== 'RetryAfter') return undefined
  const delayMs = readProperty(thrown, 'delayMs')
  return typeof delayMs === 'number' && delayMs >= 0 && delayMs <= 2_147_483_647 ? delayMs : undefined
}

/** Of a `RetryAfter`. */
export function spendsRetryOf(thrown: unknown): boolean {
  return !isError(thrown) || readProperty(thrown, 'spendRetry') !== false
}

export function timeoutText(timeoutSeconds: number): string {
  return `timed out after ${timeoutSeconds} s`
}

const MIN_UNCOUNTED_DELAY_MS = 1_000

const MAX_ERROR_CHARS = 10_000
const MAX_ERRORS = 5
/** So that the last error, which is the reason, is never cut off by those before it. */
const MAX_PART_CHARS = MAX_ERROR_CHARS / MAX_ERRORS - ': '.length

const MAX_INNER_CHARS = 500
const MAX_STACK_CHARS = 20_000
const SILENT_NAMES = new Set(['Error', 'PermanentError', 'RetryAfter'])

/** One line with its causes; no stack, which names files of the server, and no SQL statement. */
export function describeError(thrown: unknown, read: (thrown: unknown) => Thrown = readThrown): string {
  return toStorable(inWords(read(thrown)))
}

export function describeStack(
  thrown: unknown,
  read: (thrown: unknown) => Thrown = readThrown,
): string | null {
  const errors = withCauses(read(thrown)).filter(({ name }) => name !== undefined)
  if (errors.length === 0) return null
  // The last one is the reason: the others must leave it space.
  const room = Math.floor(MAX_STACK_CHARS / errors.length) - CAUSED_BY.length
  return toStorable(errors.map((error) => (error.stack ?? oneError(error)).slice(0, room)).join(CAUSED_BY))
}

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

/** PostgreSQL's text type: NUL and lone surrogates become U+FFFD. */
export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD')
}
