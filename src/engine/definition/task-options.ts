import { describeUnknownOptions } from '../../client/option-names.ts'
import { TaskError } from './errors.ts'
import { findSchemaProblem } from './params-schema.ts'
import { findRetryPolicyProblem } from './retry-policy.ts'
import type { RateLimit, TaskOptions, ThreadTaskOptions } from './task.ts'

const TYPE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/
const MAX_SHOWN_CHARS = 100

/** Checked by the compiler for completeness. */
const OPTION_NAMES: Record<keyof ThreadTaskOptions, true> = {
  params: true,
  timeoutSeconds: true,
  maxRetries: true,
  retryBaseMs: true,
  retry: true,
  redact: true,
  onFailed: true,
  priority: true,
  retentionDays: true,
  concurrency: true,
  globalConcurrency: true,
  concurrencyKey: true,
  rateLimit: true,
  run: true,
  module: true,
}
const KNOWN = Object.keys(OPTION_NAMES)

export function checkType(type: unknown): void {
  if (typeof type === 'string' && TYPE_PATTERN.test(type)) return
  throw new TaskError(
    'INVALID_ARGUMENT',
    `task type ${describeValue(type)} must be 1 to 100 letters, digits, '_', '.', ':' or '-'`,
  )
}

/** Checks the arguments of `task()`. @throws TaskError `INVALID_ARGUMENT`, naming the invalid option */
export function checkTaskOptions(type: unknown, options: unknown): void {
  checkType(type)
  const problem = findProblem(options)
  if (problem) throw new TaskError('INVALID_ARGUMENT', `task('${type}'): ${problem}`)
}

function findProblem(given: unknown): string | undefined {
  if (typeof given === 'function') {
    return 'the handler goes into a second pair of parentheses: task(type, options)(handler)'
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return `options must be an object, got ${describeValue(given)}`
  }
  const [unknown] = describeUnknownOptions(given, KNOWN)
  const options = given as Partial<ThreadTaskOptions>
  return (
    unknown ??
    findSchemaProblem(options.params) ??
    findNumberProblem(options) ??
    findRetryProblem(options) ??
    findRedactProblem(options.redact) ??
    findKeyProblem(options.concurrencyKey) ??
    findRateProblem(options.rateLimit) ??
    findThreadProblem(options)
  )
}

function findNumberProblem(options: TaskOptions): string | undefined {
  return (
    findIntegerProblem('timeoutSeconds', options.timeoutSeconds, 1, 2_147_483) ??
    findIntegerProblem('maxRetries', options.maxRetries, 0, 100) ??
    findIntegerProblem('retryBaseMs', options.retryBaseMs, 0, 3_600_000) ??
    findIntegerProblem('priority', options.priority, -100, 100) ??
    findIntegerProblem('concurrency', options.concurrency, 1, 10_000) ??
    findIntegerProblem('globalConcurrency', options.globalConcurrency, 1, 10_000) ??
    findRetentionProblem(options.retentionDays)
  )
}

function findIntegerProblem(name: string, value: unknown, min: number, max: number): string | undefined {
  if (value === undefined || (isBetween(value, min, max) && Number.isInteger(value))) return undefined
  return `${name} must be an integer from ${min} to ${max}, got ${describeValue(value)}`
}

function findRetentionProblem(days: unknown): string | undefined {
  if (days === undefined || isBetween(days, 0, 36_500)) return undefined
  return `retentionDays must be a number from 0 to 36500, got ${describeValue(days)}`
}

function isBetween(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max
}

function findRetryProblem({ retry, retryBaseMs }: TaskOptions): string | undefined {
  if (retry === undefined) return undefined
  return retryBaseMs === undefined ? findRetryPolicyProblem(retry) : 'give either retry or retryBaseMs'
}

function findRedactProblem(redact: unknown): string | undefined {
  const isFine = redact === undefined || (Array.isArray(redact) && redact.every(isPath))
  return isFine ? undefined : "redact must be a list of paths such as 'password' or 'card.number'"
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value.split('.').every((key) => key !== '')
}

function findKeyProblem(key: unknown): string | undefined {
  return key === undefined || typeof key === 'function'
    ? undefined
    : 'concurrencyKey must be a function of the params'
}

const RATE_NAMES: Record<keyof RateLimit, true> = { max: true, perSeconds: true, key: true }

function findRateProblem(rate: unknown): string | undefined {
  if (rate === undefined) return undefined
  if (typeof rate !== 'object' || rate === null || Array.isArray(rate)) {
    return `rateLimit must be { max, perSeconds, key }, got ${describeValue(rate)}`
  }
  const { max, perSeconds, key } = rate as Partial<RateLimit>
  const [unknown] = describeUnknownOptions(rate, Object.keys(RATE_NAMES))
  if (unknown !== undefined) return `rateLimit: ${unknown}`
  const problem = findIntegerProblem('max', max ?? null, 1, 10_000)
  if (problem !== undefined) return `rateLimit: ${problem}`
  if (!isBetween(perSeconds, 0.1, 2_592_000)) {
    return `rateLimit: perSeconds must be a number from 0.1 to 2592000, got ${describeValue(perSeconds)}`
  }
  return key === undefined || typeof key === 'function'
    ? undefined
    : 'rateLimit: key must be a function of the params'
}

function findThreadProblem({ run, module }: { run?: unknown; module?: unknown }): string | undefined {
  if (run === undefined) return module === undefined ? undefined : "module needs run: 'thread'"
  if (run !== 'thread') return `run must be 'thread', got ${describeValue(run)}`
  return module instanceof URL ? undefined : `run: 'thread' needs module: a URL, got ${describeValue(module)}`
}

/** Short, and never the source of a function. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MAX_SHOWN_CHARS))
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
