import { TaskError } from './errors.ts'
import type { TaskDefinition, TaskOptions } from './task.ts'

export interface TypeLimits {
  readonly taskType: string
  /** In this process; null: as many as there are slots. */
  readonly concurrency: number | null
  /** Over all processes; null: any number. */
  readonly globalConcurrency: number | null
  /** At most one per key, over all processes. */
  readonly keyed: boolean
  /** Starts over all processes; undefined: any number. */
  readonly rate?: TypeRate | undefined
}

export interface TypeRate {
  readonly max: number
  /** A start counts this long. */
  readonly windowMs: number
  /** Each key has a limit of its own. */
  readonly keyed: boolean
}

const MAX_KEY_CHARS = 200

/**
 * A handler starts some milliseconds after the claim that counts: a permit returns a little later, so that handlers do
 * not start closer together than claims.
 */
const MAX_MARGIN_MS = 10
const MARGIN_SHARE = 0.01

export function limitsOf({ type, options }: Pick<TaskDefinition, 'type' | 'options'>): TypeLimits {
  return {
    taskType: type,
    concurrency: options.concurrency ?? null,
    globalConcurrency: options.globalConcurrency ?? null,
    keyed: options.concurrencyKey !== undefined,
    rate: options.rateLimit && rateOf(options.rateLimit),
  }
}

function rateOf({ max, perSeconds, key }: NonNullable<TaskOptions['rateLimit']>): TypeRate {
  const ms = perSeconds * 1_000
  return { max, windowMs: ms + Math.min(MAX_MARGIN_MS, ms * MARGIN_SHARE), keyed: key !== undefined }
}

/** Claims of such a type lock its row. */
export function isGloballyLimited(limits: TypeLimits): boolean {
  return limitsRunning(limits) || limits.rate !== undefined
}

/** The end of a task frees a permit. */
export function limitsRunning({ globalConcurrency, keyed }: TypeLimits): boolean {
  return globalConcurrency !== null || keyed
}

/**
 * The key under which a new task counts; '' if only its type counts, null if nothing does.
 * @param params as a handler gets them
 * @param given overrides the type's key
 * @throws TaskError `INVALID_ARGUMENT` for an invalid key, or one that the type does not declare
 */
export function concurrencyKeyOf(
  taskType: string,
  options: TaskOptions | undefined,
  params: Record<string, unknown>,
  given?: string,
): string | null {
  if (given !== undefined && options && !options.concurrencyKey) {
    throw invalidKey('concurrencyKey', taskType, 'is only for a type that declares concurrencyKey')
  }
  const key = given ?? options?.concurrencyKey?.(params)
  if (key === undefined) return options?.globalConcurrency === undefined ? null : ''
  return requireKey('concurrencyKey', taskType, key)
}

/** The key under which the starts of a new task count; null if its type has no such keys. @throws TaskError `INVALID_ARGUMENT` */
export function rateKeyOf(
  taskType: string,
  options: TaskOptions | undefined,
  params: Record<string, unknown>,
): string | null {
  if (!options?.rateLimit?.key) return null
  return requireKey('rateLimit.key', taskType, options.rateLimit.key(params))
}

function requireKey(name: string, taskType: string, key: unknown): string {
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_CHARS) {
    throw invalidKey(
      name,
      taskType,
      `must be a text of 1 to ${MAX_KEY_CHARS} characters, got ${describe(key)}`,
    )
  }
  if (key.includes('\u0000') || !key.isWellFormed()) {
    throw invalidKey(name, taskType, 'must be text without NUL or lone surrogates')
  }
  return key
}

function describe(key: unknown): string {
  return typeof key === 'string' ? `${key.length}` : typeof key
}

function invalidKey(name: string, taskType: string, detail: string): TaskError {
  return new TaskError('INVALID_ARGUMENT', `${name} of '${taskType}' ${detail}`, {
    problems: [{ pointer: `/${name.split('.')[0]}`, detail }],
  })
}
