import type { z } from 'zod'
import type { TaskDetail } from '../../contract/task.ts'
import type { TaskContext } from './context.ts'
import { TaskError } from './errors.ts'
import type { RetryPolicy } from './retry-policy.ts'

/** Schema of params: any zod schema of a JSON object. */
export type ParamsSchema = z.ZodType<Record<string, unknown>, Record<string, unknown>>

/** Options of a task type. Those that `createTask` also takes are defaults for its tasks. */
export interface TaskOptions<Schema extends ParamsSchema = ParamsSchema> {
  /** Parses params at creation and again before each attempt. Default: any JSON object. */
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
  concurrencyKey?(params: z.output<Schema>): string
}

/** A handler in a worker thread, for work that blocks the event loop or may ignore its signal: a thread is terminated. */
export interface ThreadTaskOptions<Schema extends ParamsSchema = ParamsSchema> extends TaskOptions<Schema> {
  run: 'thread'
  /** Module whose default export is the handler, such as `new URL('./resize.js', import.meta.url)`. */
  module: URL
}

export type TaskHandler<Params = Record<string, unknown>, Result = unknown> = (
  params: Params,
  ctx: TaskContext,
) => Result | Promise<Result>

/** A type's code and defaults, as one value. */
export interface TaskDefinition {
  readonly type: string
  readonly options: Readonly<TaskOptions>
  readonly handler: TaskHandler
}

declare const taskBrand: unique symbol

/** A registered handler: the function itself, with its type's name and params known to the compiler. */
export type Task<
  Input = Record<string, unknown>,
  Params = Record<string, unknown>,
  Result = unknown,
  Type extends string = string,
> = TaskHandler<Params, Result> & { readonly [taskBrand]: { input: Input; type: Type } }

/** A registered handler with any params. */
// biome-ignore lint/suspicious/noExplicitAny: params are contravariant; only `any` accepts each handler
export type AnyTask = Task<any, any, unknown>

/** Names a task type: its handler, or the type's name. */
export type TaskReference = AnyTask | string

/** The params that `createTask` takes for `T`. */
export type ParamsOf<T> = T extends { readonly [taskBrand]: { input: infer Input } }
  ? Input
  : Record<string, unknown>

/** The name of a handler's type. */
export type TypeOf<T> = T extends { readonly [taskBrand]: { type: infer Type } } ? Type : never

/** The arguments after the task in `createTask`; params are optional only if none is required. */
export type CreateArguments<T, Options> =
  Record<never, never> extends ParamsOf<T>
    ? [params?: ParamsOf<T> | undefined, options?: Options]
    : [params: ParamsOf<T>, options?: Options]

/** The result of `T`'s handler. */
export type ResultOf<T> = T extends (...args: never[]) => infer Result ? Awaited<Result> : unknown

/**
 * The type of a value after it was stored as JSON: a `Date` becomes a string, a `Map` a list of its entries, a `Set` a
 * list; undefined properties are absent, and an undefined value is null.
 */
export type JsonOf<T> = unknown extends T
  ? TaskDetail['result']
  : T extends { toJSON(): infer Json }
    ? JsonOf<Json>
    : T extends string | number | boolean | null
      ? T
      : T extends NotJson
        ? null
        : T extends ReadonlyMap<infer Key, infer Value>
          ? [JsonOf<Key>, JsonOf<Value>][]
          : T extends readonly (infer Item)[] | ReadonlySet<infer Item>
            ? JsonOf<Item>[]
            : JsonObjectOf<T>

type JsonObjectOf<T> = Flat<
  {
    [Key in keyof T as T[Key] extends NotJson ? never : undefined extends T[Key] ? never : Key]: JsonOf<
      T[Key]
    >
  } & {
    [Key in keyof T as T[Key] extends NotJson ? never : undefined extends T[Key] ? Key : never]?: JsonOf<
      Exclude<T[Key], NotJson>
    >
  }
>
type Flat<T> = { [Key in keyof T]: T[Key] }

// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing has the result type void
type NotJson = undefined | void | symbol | ((...args: never[]) => unknown)

/** A function may serve several types; each of them once. */
const definitions = new WeakMap<object, Map<string, TaskDefinition>>()

/** What `task()` returned and nobody has applied to a handler yet, and its type. */
const unapplied = new WeakMap<object, string>()

/** The definitions behind a registered handler; none for any other function. */
export function findDefinitions(handler: unknown): readonly TaskDefinition[] {
  return typeof handler === 'function' ? [...(definitions.get(handler)?.values() ?? [])] : []
}

/** @throws TaskError `INVALID_ARGUMENT` for what is no task, saying what it is */
export function requireDefinitions(handler: unknown): readonly TaskDefinition[] {
  const found = findDefinitions(handler)
  if (found.length > 0) return found
  throw new TaskError('INVALID_ARGUMENT', describeNonTask(handler))
}

/** Remembers a decorator, so that its use as a handler is recognized. */
export function keepUnapplied(decorator: object, type: string): void {
  unapplied.set(decorator, type)
}

/** Names it; never quotes its source. */
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

/** @throws TaskError `INVALID_ARGUMENT` for a task that is not the handler's */
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

/** Binds a function to a type, whose options `checkTaskOptions` has checked. */
export function defineTask(type: string, options: TaskOptions, handler: TaskHandler): TaskDefinition {
  const problem = findHandlerProblem(handler)
  if (problem) throw new TaskError('INVALID_ARGUMENT', `task('${type}') ${problem}`)
  const definition = Object.freeze({ type, options: Object.freeze({ ...options }), handler })
  const byType = definitions.get(handler) ?? new Map<string, TaskDefinition>()
  definitions.set(handler, byType.set(type, definition))
  return definition
}

function findHandlerProblem(handler: unknown): string | undefined {
  if (typeof handler !== 'function') return 'must be applied to a function'
  if (unapplied.has(handler)) return 'must be applied to a handler, got what another task() returned'
  // Calling one only makes its iterator: the body would never run.
  return /Generator/.test(Object.prototype.toString.call(handler))
    ? 'must be applied to a function that is no generator'
    : undefined
}
