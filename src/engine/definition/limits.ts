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
}

const MAX_KEY_CHARS = 200

export function limitsOf({ type, options }: TaskDefinition): TypeLimits {
  return {
    taskType: type,
    concurrency: options.concurrency ?? null,
    globalConcurrency: options.globalConcurrency ?? null,
    keyed: options.concurrencyKey !== undefined,
  }
}

export function isGloballyLimited(limits: TypeLimits): boolean {
  return limits.globalConcurrency !== null || limits.keyed
}

/**
 * The key under which a new task counts; '' if only its type counts, null if nothing does.
 * @param given overrides the type's key
 * @throws TaskError `INVALID_ARGUMENT` for an invalid key, or one that the type does not declare
 */
export function concurrencyKeyOf(
  taskType: string,
  options: TaskOptions | undefined,
  params: () => Record<string, unknown>,
  given?: string,
): string | null {
  if (given !== undefined && options && !options.concurrencyKey) {
    throw invalidKey(taskType, 'is only for a type that declares concurrencyKey')
  }
  const key = given ?? options?.concurrencyKey?.(params())
  if (key === undefined) return options?.globalConcurrency === undefined ? null : ''
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_CHARS) {
    throw invalidKey(taskType, `must be a text of 1 to ${MAX_KEY_CHARS} characters, got ${describe(key)}`)
  }
  if (key.includes('\u0000') || !key.isWellFormed()) {
    throw invalidKey(taskType, 'must be text without NUL or lone surrogates')
  }
  return key
}

function describe(key: unknown): string {
  return typeof key === 'string' ? `${key.length}` : typeof key
}

function invalidKey(taskType: string, detail: string): TaskError {
  return new TaskError('INVALID_ARGUMENT', `concurrencyKey of '${taskType}' ${detail}`, {
    problems: [{ pointer: '/concurrencyKey', detail }],
  })
}
