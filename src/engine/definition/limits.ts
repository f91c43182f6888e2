import { TaskError } from './errors.ts'
import type { TaskDefinition, TaskOptions } from './task.ts'

/** How many tasks of a type may run, as a claim needs to know it. */
export interface TypeLimits {
  readonly taskType: string
  /** In this process; null: as many as there are slots. */
  readonly concurrency: number | null
  /** Over all processes; null: any number. */
  readonly globalConcurrency: number | null
  /** At most one of each key over all processes. */
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

/** Its running tasks are counted over all processes. */
export function isLimited(limits: TypeLimits): boolean {
  return limits.globalConcurrency !== null || limits.keyed
}

/**
 * What a new task shares its place with; null where nothing is counted over all processes, '' where the whole type is.
 *
 * @param options those of the task's type; undefined where this process does not know it
 * @param params as the type's schema made them
 * @param given the call's own key: it wins
 * @throws TaskError `INVALID_ARGUMENT` for a key that cannot be one, or that the type does not ask for
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
