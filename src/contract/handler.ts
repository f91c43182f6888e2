import type { TaskDetail } from './task.ts'

declare const taskBrand: unique symbol

/** Carried by a handler for the compiler: its type's name and params. */
export interface TaskBrand<Input, Type extends string> {
  /** Exists for the compiler alone. */
  readonly [taskBrand]: {
    /** The params that `createTask` takes. */
    input: Input
    /** The type's name. */
    type: Type
    /** Makes the params contravariant. */
    accepts: (input: Input) => void
  }
}

/** Params of the task that `onFailed` creates. */
export type FailedTaskParams = {
  /** The failed task. */
  taskId: string
  /** Its type. */
  taskType: string
  /** Its params as they are stored, redacted ones included: JSON of the shape that its type's schema makes. */
  // biome-ignore lint/suspicious/noExplicitAny: of any type; the follow-up's schema checks it
  params: any
  /** Its last error. */
  error: string
  /** Attempts that it has had, over retries by operators too; 0 if its type was unknown. */
  attempts: number
}

/** A registered handler that takes the params of a failed task, or some of them. */
// biome-ignore lint/suspicious/noExplicitAny: params are contravariant; only `any` accepts each handler
export type FollowUpTask = ((params: any, ctx: any) => unknown) & {
  /** Exists for the compiler alone. */
  readonly [taskBrand]: {
    /** Makes the params contravariant. */
    accepts: (input: FailedTaskParams) => void
  }
}

/** A registered handler with any params. */
// biome-ignore lint/suspicious/noExplicitAny: params are contravariant; only `any` accepts each handler
export type AnyTask = ((params: any, ctx: any) => unknown) & TaskBrand<any, string>

/** The params that `createTask` takes for `T`. */
export type ParamsOf<T> = T extends { readonly [taskBrand]: { input: infer Input } }
  ? Input
  : Record<string, unknown>

export type TypeOf<T> = T extends { readonly [taskBrand]: { type: infer Type } } ? Type : never

/** The result of `T`'s handler. */
export type ResultOf<T> = T extends (...args: never[]) => infer Result ? Awaited<Result> : unknown

/**
 * The type of a value after it was stored as JSON: a `Date` becomes a string, a `Map` a list of its entries, a `Set` or a
 * typed array a list; of a statement of node-postgres, command, count and rows are left; undefined properties are absent,
 * and an undefined value is null.
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
            : T extends TypedArray
              ? number[]
              : T extends StatementResult
                ? JsonObjectOf<Pick<T, 'command' | 'rowCount' | 'rows'>>
                : JsonObjectOf<T>

type TypedArray = Readonly<Record<'byteLength' | 'byteOffset' | 'length' | number, number>>

type StatementResult = Record<'command' | 'rowCount' | 'oid' | 'rows' | 'fields', unknown>

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
