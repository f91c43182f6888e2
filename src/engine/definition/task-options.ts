import { describeValue } from '../../client/describe-value.ts'
import { describeUnknownOptions } from '../../client/option-names.ts'
import { TaskError } from './errors.ts'
import { findSchemaProblem } from './params-schema.ts'
import { findRetryPolicyProblem } from './retry-policy.ts'
import type { RateLimit, ThreadTaskOptions } from './task.ts'

const TYPE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/

/** What is wrong with a value that is not undefined, if anything. */
type Rule = (value: unknown, name: string, options: Readonly<Record<string, unknown>>) => string | undefined

/** Checked by the compiler for completeness. */
const RULES: Record<keyof ThreadTaskOptions, Rule> = {
  params: findSchemaProblem,
  timeoutSeconds: integer(1, 2_147_483),
  maxRetries: integer(0, 100),
  retryBaseMs: integer(0, 3_600_000),
  retry: (retry, _name, { retryBaseMs }) =>
    retryBaseMs === undefined ? findRetryPolicyProblem(retry) : 'give either retry or retryBaseMs',
  redact: (paths, name) =>
    Array.isArray(paths) && paths.every(isPath)
      ? undefined
      : `${name} must be a list of paths such as 'password' or 'card.number'`,
  // Checked in follow-up.ts.
  onFailed: () => undefined,
  priority: integer(-100, 100),
  retentionDays: number(0, 36_500),
  concurrency: integer(1, 10_000),
  globalConcurrency: integer(1, 10_000),
  concurrencyKey: ofParams,
  rateLimit: findRateProblem,
  run(run, name, { module }) {
    if (run !== 'thread') return `${name} must be 'thread', got ${describeValue(run)}`
    return module instanceof URL
      ? undefined
      : `run: 'thread' needs module: a URL, got ${describeValue(module)}`
  },
  module: (_module, name, { run }) => (run === undefined ? `${name} needs run: 'thread'` : undefined),
}

export function checkType(type: unknown): void {
  if (typeof type === 'string' && TYPE_PATTERN.test(type)) return
  throw new TaskError(
    'INVALID_ARGUMENT',
    `task type ${describeValue(type)} must be 1 to 100 letters, digits, '_', '.', ':' or '-', the first a letter or digit`,
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
  const [unknown] = describeUnknownOptions(given, Object.keys(RULES))
  if (unknown !== undefined) return unknown
  const options = given as Readonly<Record<string, unknown>>
  for (const [name, rule] of Object.entries(RULES)) {
    const problem = options[name] === undefined ? undefined : rule(options[name], name, options)
    if (problem !== undefined) return problem
  }
  return undefined
}

function integer(min: number, max: number): Rule {
  return (value, name) =>
    isBetween(value, min, max) && Number.isInteger(value)
      ? undefined
      : `${name} must be an integer from ${min} to ${max}, got ${describeValue(value)}`
}

function number(min: number, max: number): Rule {
  return (value, name) =>
    isBetween(value, min, max)
      ? undefined
      : `${name} must be a number from ${min} to ${max}, got ${describeValue(value)}`
}

function isBetween(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value.split('.').every((key) => key !== '')
}

function ofParams(value: unknown, name: string): string | undefined {
  return typeof value === 'function' ? undefined : `${name} must be a function of the params`
}

const RATE_NAMES: Record<keyof RateLimit, true> = { max: true, perSeconds: true, key: true }

function findRateProblem(rate: unknown): string | undefined {
  if (typeof rate !== 'object' || rate === null || Array.isArray(rate)) {
    return `rateLimit must be { max, perSeconds, key }, got ${describeValue(rate)}`
  }
  const { max = null, perSeconds, key } = rate as Readonly<Record<string, unknown>>
  const [unknown] = describeUnknownOptions(rate, Object.keys(RATE_NAMES))
  const problem =
    unknown ??
    integer(1, 10_000)(max, 'max', {}) ??
    number(0.1, 2_592_000)(perSeconds, 'perSeconds', {}) ??
    (key === undefined ? undefined : ofParams(key, 'key'))
  return problem && `rateLimit: ${problem}`
}
