import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { TaskContext } from './context.ts'
import { TaskError } from './errors.ts'
import type { AnyParamsSchema, ParamsSchema } from './params-schema.ts'
import type { RetryPolicy } from './retry-policy.ts'
import type { AnyTask, FollowUpTask, TaskBrand } from './task-reference.ts'

/** Options of a task type. Those that `createTask` also takes are defaults for its tasks. */
export interface TaskOptions<Schema extends AnyParamsSchema = ParamsSchema> {
  /**
   * Parses params at creation and again before each attempt: a schema of zod 4, or any Standard Schema. Default: any
   * JSON object.
   */
  params?: Schema
  /** Seconds after which the handler's signal aborts, 1 … 2,147,483. Default: the plugin's `timeoutSeconds`. */
  timeoutSeconds?: number
  /** Attempts after the first, 0 … 100. Default: the plugin's `maxRetries`. */
  maxRetries?: number
  /** Milliseconds before the first retry, 0 … 3,600,000. Short for `retry: { baseMs }`; give only one of them. */
  retryBaseMs?: number
  /** Delay before each retry. Default: the plugin's `retryBaseMs`, doubled each time, at most one hour. */
  retry?: RetryPolicy
  /**
   * Paths of secret params, such as `password`, `card.number` or `users.*.token`, in addition to the plugin's `redact`.
   * Their values are stored and passed to the handler, but shown as `[redacted]` in params, logs, errors, results and keys.
   */
  redact?: readonly string[]
  /**
   * Handler of the task to be created when a task of this type fails for good: by an error, a timeout, the death of its
   * process, or because its type is unknown, but not by a cancel. The statement that fails the task creates it, exactly
   * once, with `FailedTaskParams` and the priority, retries and timeout of its own type. Default: none.
   */
  onFailed?: FollowUpTask
  /** −100 … 100, higher first. Default 0. */
  priority?: number
  /** Days that finished tasks are kept, 0 … 36,500 (indefinitely). Default: the plugin's `retentionDays`. */
  retentionDays?: number
  /** Tasks of this type that run at once in one process, 1 … 10,000. Default: the number of slots. */
  concurrency?: number
  /**
   * Exact limit of tasks of this type that run at once over all processes, 1 … 10,000. Default: no limit.
   * A handler counts until it returns, even after a cancel or a timeout.
   */
  globalConcurrency?: number
  /**
   * Computes a key of 1 … 200 characters from the parsed params: at most one task of this type and key runs at once
   * over all processes. `createTask` may override the key. Default: no key, no such limit.
   */
  concurrencyKey?(params: StandardSchemaV1.InferOutput<Schema>): string
  /**
   * Exact limit of starts over all processes: at most `max` in any `perSeconds` seconds, by the database's clock. Retries
   * are starts, too. Tasks that wait for a permit occupy no slot and delay no other type. Default: no limit.
   */
  rateLimit?: RateLimit<StandardSchemaV1.InferOutput<Schema>>
}

/** At most `max` starts in any window of `perSeconds`, of the type or of each key. */
export interface RateLimit<Params = Record<string, unknown>> {
  /** Starts, 1 … 10,000. */
  max: number
  /** Length of the window in seconds, 0.1 … 2,592,000 (30 days). */
  perSeconds: number
  /** Computes a key of 1 … 200 characters from the parsed params: each key has a limit of its own. Default: no key. */
  key?(params: Params): string
}

/** A handler in a worker thread, for work that blocks the event loop or may ignore its signal: a thread is terminated. */
export interface ThreadTaskOptions<Schema extends AnyParamsSchema = ParamsSchema>
  extends TaskOptions<Schema> {
  /** Runs the handler in a worker thread. */
  run: 'thread'
  /**
   * Module whose default export is the handler, such as `new URL('./resize.ts', import.meta.url)`. If there is no such
   * file, its compiled or source twin is used: `resize.js` for `resize.ts`, and the reverse.
   */
  module: URL
}

/** The function of a task type: gets the parsed params and the context, and returns the task's result. */
export type TaskHandler<Params = Record<string, unknown>, Result = unknown> = (
  params: Params,
  ctx: TaskContext,
) => Result | Promise<Result>

/** A type's code and defaults, as one value. */
export interface TaskDefinition {
  /** The type's name. */
  readonly type: string
  /** With a `module`, that module's default export runs in a worker thread instead of `handler`. */
  readonly options: Readonly<TaskOptions & Partial<Pick<ThreadTaskOptions, 'run' | 'module'>>>
  /** What `task()` was applied to. */
  readonly handler: TaskHandler
  /** That of `onFailed`. */
  readonly followUp?: TaskDefinition | undefined
}

/** A registered handler: the function itself, with its type's name and params known to the compiler. */
export type Task<
  Input = Record<string, unknown>,
  Params = Record<string, unknown>,
  Result = unknown,
  Type extends string = string,
> = TaskHandler<Params, Result> & TaskBrand<Input, Type>

const definitions = new WeakMap<object, Map<string, TaskDefinition>>()

const unapplied = new WeakMap<object, string>()

/** Empty for other functions. */
export function findDefinitions(handler: unknown): readonly TaskDefinition[] {
  return typeof handler === 'function' ? [...(definitions.get(handler)?.values() ?? [])] : []
}

/** @throws TaskError `INVALID_ARGUMENT`, describing what the value is */
export function requireDefinitions(handler: unknown): readonly TaskDefinition[] {
  const found = findDefinitions(handler)
  if (found.length > 0) return found
  throw new TaskError('INVALID_ARGUMENT', describeNonTask(handler))
}

/** So that its use as a handler gets a precise error. */
export function keepUnapplied(decorator: object, type: string): void {
  unapplied.set(decorator, type)
}

/** Never quotes a function's source. */
function describeNonTask(value: unknown): string {
  const type = typeof value === 'function' ? unapplied.get(value) : undefined
  if (type !== undefined) {
    return `task('${type}', …) was not given its handler: task('${type}', …)(async (params, ctx) => …)`
  }
  if (typeof value === 'function') {
    return `${value.name === '' ? 'an unnamed function' : `'${value.name}'`} was never passed to task(): register it first`
  }
  const what = value === null || value === undefined ? String(value) : `a value of type ${typeof value}`
  return `expected a handler that was passed to task(), got ${what}`
}

/** @throws TaskError `INVALID_ARGUMENT` if the task has another type */
export function requireTypeOf(
  handler: AnyTask,
  { taskId, taskType }: { taskId: string; taskType: string },
): void {
  const types = findDefinitions(handler).map(({ type }) => type)
  if (types.includes(taskType)) return
  const known = types.join(', ') || 'no type'
  throw new TaskError(
    'INVALID_ARGUMENT',
    `${taskId} is a '${taskType}', but the handler given is of ${known}`,
  )
}

export function defineTask(
  type: string,
  options: TaskDefinition['options'],
  handler: TaskHandler,
  followUp?: TaskDefinition,
): TaskDefinition {
  const problem = findHandlerProblem(handler, options)
  if (problem) throw new TaskError('INVALID_ARGUMENT', `task('${type}') ${problem}`)
  const definition = Object.freeze({ type, options: Object.freeze({ ...options }), handler, followUp })
  const byType = definitions.get(handler) ?? new Map<string, TaskDefinition>()
  definitions.set(handler, byType.set(type, definition))
  return definition
}

function findHandlerProblem(handler: unknown, { module }: TaskDefinition['options']): string | undefined {
  if (typeof handler !== 'function') return 'must be applied to a function'
  if (unapplied.has(handler)) return 'must be applied to a handler, got what another task() returned'
  if (!module && findDefinitions(handler).some(({ options }) => options.module)) {
    return "must be applied to a handler, got what task() returned for a thread: pass run: 'thread' and its module"
  }
  // A generator's body would never run.
  return /Generator/.test(Object.prototype.toString.call(handler))
    ? 'must be applied to a function that is no generator'
    : undefined
}
