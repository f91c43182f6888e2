import { types } from 'node:util'
import { z } from 'zod'
import { describeUnknownOptions } from '../../client/option-names.ts'

const HOUR_MS = 3_600_000
const MAX_DELAY_MS = 2_147_483_647

/** Delay before a retry as an exponential backoff: `baseMs` × `factor`ⁿ after n used retries, at most `maxMs`. */
export interface RetryBackoff {
  /** Milliseconds before the first retry, 0 … 2,147,483,647. Default: the plugin's `retryBaseMs`. */
  baseMs?: number
  /** Multiplier of each further delay, 1 … 1,000. Default 2. */
  factor?: number
  /** Longest delay in milliseconds, jitter included, 0 … 2,147,483,647. Default one hour. */
  maxMs?: number
  /** Fraction of the delay, 0 … 1, of which a uniformly random part is added or subtracted. Default 0. */
  jitter?: number
}

/**
 * Returns the delay before a retry in milliseconds, 0 … 2,147,483,647. `retry` is the number of retries already used (0
 * after the first failure); `error` is what the handler threw, or a `TimeoutError`. If the function throws or returns an
 * invalid delay, the default backoff is used and a warning is logged.
 */
export type RetryFunction = (failure: { retry: number; error: unknown }) => number

/** The delay before each retry: a backoff, or a function that computes it. */
export type RetryPolicy = RetryBackoff | RetryFunction

const backoff = z.strictObject({
  baseMs: z.int().min(0).max(MAX_DELAY_MS).optional(),
  factor: z.number().min(1).max(1_000).optional(),
  maxMs: z.int().min(0).max(MAX_DELAY_MS).optional(),
  jitter: z.number().min(0).max(1).optional(),
})

export function findRetryPolicyProblem(policy: unknown): string | undefined {
  if (typeof policy === 'function') return undefined
  const [unknown] = isObject(policy) ? describeUnknownOptions(policy, Object.keys(backoff.shape)) : []
  if (unknown !== undefined) return `retry: ${unknown}`
  const parsed = backoff.safeParse(policy)
  const [issue] = parsed.error?.issues ?? []
  return issue && `retry${issue.path.map((key) => `.${String(key)}`).join('')}: ${issue.message}`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

export function completeBackoff(policy: RetryBackoff, baseMs: number): Required<RetryBackoff> {
  return {
    baseMs: policy.baseMs ?? baseMs,
    factor: policy.factor ?? 2,
    maxMs: policy.maxMs ?? HOUR_MS,
    jitter: policy.jitter ?? 0,
  }
}

export function backoffDelayMs(
  { baseMs, factor, maxMs, jitter }: Required<RetryBackoff>,
  retry: number,
  random: () => number = Math.random,
): number {
  const delayMs = Math.min(baseMs * factor ** retry, maxMs)
  return Math.min(delayMs * (1 + jitter * (2 * random() - 1)), maxMs)
}

/** A policy that throws or returns an invalid delay must not cost the retry: the default applies. */
export function policyDelayMs(
  policy: RetryPolicy,
  failure: { retry: number; error: unknown },
  baseMs: number,
  onProblem: (error: unknown) => void,
): number {
  if (typeof policy !== 'function') return backoffDelayMs(completeBackoff(policy, baseMs), failure.retry)
  try {
    const delayMs: unknown = policy(failure)
    // An async policy's rejection would end the process.
    if (types.isPromise(delayMs)) delayMs.catch(() => {})
    if (typeof delayMs === 'number' && delayMs >= 0 && delayMs <= MAX_DELAY_MS) return delayMs
    onProblem(new RangeError(`a retry policy must return 0 … ${MAX_DELAY_MS} ms, got ${describe(delayMs)}`))
  } catch (error) {
    onProblem(error)
  }
  return backoffDelayMs(completeBackoff({}, baseMs), failure.retry)
}

function describe(value: unknown): string {
  return typeof value === 'number' ? String(value) : `a value of type ${typeof value}`
}
