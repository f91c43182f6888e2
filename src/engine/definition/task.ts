import type { z } from 'zod'
import type { TaskDetail } from '../../contract/task.ts'
import type { TaskContext } from './context.ts'
import { TaskError } from './errors.ts'
import type { RetryPolicy } from './retry-policy.ts'

/** A schema of params: any zod schema of a JSON object. */
export type ParamsSchema = z.ZodType<Record<string, unknown>, Record<string, unknown>>

/** How tasks of a type behave unless the call that creates one says otherwise. */
export interface TaskOptions<Schema extends ParamsSchema = ParamsSchema> {
  /** Checks params at creation and again before each run. Default: any JSON object. */
  params?: Schema
  /** Seconds until the handler's signal aborts, 1 … 2,147,483. Default: the executor's `timeoutSeconds`. */
  timeoutSeconds?: number
  /** Further attempts after the first, 0 … 100. Default: the executor's `maxRetries`. */
  maxRetries?: number
  /** Milliseconds before the first retry, doubled each time: short for `retry: { baseMs }`, and instead of it. */
  retryBaseMs?: number
  /** How long a failed task waits for its next attempt. Default: the executor's `retryBaseMs`, doubled each time. */
  retry?: RetryPolicy
  /**
   * Params to keep out of sight, such as `password`, `card.number` or `users.*.token`: stored, and given to the
   * handler, but shown as `[redacted]`, and hidden in log lines, errors, results and keys. Beside the plugin's `redact`.
   */
  redact?: readonly string[]
  /** −100 … 100, higher first. Default 0. */
  priority?: number
  /** Days that ended tasks are kept, 0 … 36,500, which is for ever. Default: the executor's `retentionDays`. */
  retentionDays?: number
  /** Tasks of this type that run at once in one process, 1 … 10,000. Default: as many as it has slots. */
  concurrency?: number
  /**
   * Tasks of this type that run at once over all processes, 1 … 10,000; never more. Default: any number.
   * A handler that ignores its signal counts until it returns. Such a claim costs a transaction of its own.
   */
  globalConcurrency?: number
  /**
   * What a task shares its place with, made of its parsed params: at most one task of this type and key runs at once
   * over all processes. 1 … 200 characters. A call's own `concurrencyKey` wins over it. Default: tasks share nothing.
   */
  concurrencyKey?(params: z.output<Schema>): string
}

/** A handler that runs in a worker thread: for work that blocks the event loop, or must be stoppable for sure. */
export interface ThreadTaskOptions<Schema extends ParamsSchema = ParamsSchema> extends TaskOptions<Schema> {
  run: 'thread'
  /** The module whose default export is the handler; `new URL('./resize.js', import.meta.url)`. */
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

/** A registered handler: the function itself, and, for the compiler, its type's name and what it may be created with. */
export type Task<
  Input = Record<string, unknown>,
  Params = Record<string, unknown>,
  Result = unknown,
  Type extends string = string,
> = TaskHandler<Params, Result> & { readonly [taskBrand]: { input: Input; type: Type } }

/** A task of whatever params. `never` lets handlers of every params type in. */
// biome-ignore lint/suspicious/noExplicitAny: params are contravariant; only `any` accepts each handler
export type AnyTask = Task<any, any, unknown>

/** What names a type when a task is created: the handler, or the type's name. */
export type TaskReference = AnyTask | string

/** The params that creating a task of `T` takes. */
export type ParamsOf<T> = T extends { readonly [taskBrand]: { input: infer Input } }
  ? Input
  : Record<string, unknown>

/** The name of a handler's type. */
export type TypeOf<T> = T extends { readonly [taskBrand]: { type: infer Type } } ? Type : never

/** What follows the task in a call that creates it: params may be left out only where none is required. */
export type CreateArguments<T, Options> =
  Record<never, never> extends ParamsOf<T>
    ? [params?: ParamsOf<T> | undefined, options?: Options]
    : [params: ParamsOf<T>, options?: Options]

/** The result of `T`'s handler. */
export type ResultOf<T> = T extends (...args: never[]) => infer Result ? Awaited<Result> : unknown

/**
 * What a value is once it has been JSON: a `Date` is text, a `Map` its entries, a `Set` a list, what is undefined is
 * absent, and nothing at all is null.
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
