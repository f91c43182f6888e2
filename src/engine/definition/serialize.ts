import { types } from 'node:util'
import { describeError } from './outcome.ts'
import { findErrorAt, isError, readThrown, type Thrown } from './thrown.ts'

/**
 * JSON of what handlers return and log. `JSON.stringify` makes `{}` of Maps, Sets and Errors and drops functions in
 * silence: here each has a form, or what is lost is named.
 */

/** A value that JSON has no form for. */
export interface Loss {
  /** A JSON pointer. */
  readonly pointer: string
  readonly what: string
}

/**
 * A Map becomes its entries, a Set and a typed array a list, and an Error its name, message, code, causes and own
 * fields, without its stack.
 *
 * @throws for a cycle, a BigInt, or what a `toJSON` throws
 */
export function serialize(value: unknown, onLoss: (loss: Loss) => void): string | undefined {
  const pointers = new WeakMap<object, string>()
  return JSON.stringify(value, function (this: object, key: string, json: unknown) {
    const parent = pointers.get(this)
    const pointer = parent === undefined ? '' : `${parent}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const isInvalidDate = json === null && types.isDate(Reflect.get(this, key))
    const what = isInvalidDate ? 'an invalid date, stored as null' : findLoss(json)
    if (what !== undefined) onLoss({ pointer, what })
    const replaced = isError(json) ? { ...json, ...withoutStack(readThrown(json)) } : replace(json)
    if (typeof replaced === 'object' && replaced !== null) pointers.set(replaced, pointer)
    return replaced
  })
}

/** Fields of a log line; never throws. Fields that JSON cannot hold are left out, and `unserialisable` says why. */
export function serializeFields(fields: unknown): string | undefined {
  try {
    return toLogJson(fields)
  } catch (error) {
    return JSON.stringify({ ...serializableFields(fields), unserialisable: describeError(error) })
  }
}

function serializableFields(fields: unknown): Record<string, unknown> {
  try {
    return Object.fromEntries(
      Object.entries(fields as object).flatMap(([key, value]) => serializable(key, value)),
    )
  } catch {
    return {}
  }
}

function serializable(key: string, value: unknown): [string, unknown][] {
  try {
    // Not by a `toJSON` of its own, which may be what threw.
    return [[key, isError(value) ? readThrown(value) : JSON.parse(toLogJson(value) ?? 'null')]]
  } catch {
    return []
  }
}

/** Errors with their stacks, and without what they carry beside. */
function toLogJson(value: unknown): string | undefined {
  return JSON.stringify(value, function (this: object, key: string, json: unknown) {
    const error = findErrorAt(this, key, json)
    return error ? readThrown(error) : replace(json)
  })
}

function replace(json: unknown): unknown {
  if (types.isMap(json) || types.isSet(json)) return [...json]
  return types.isTypedArray(json) ? Array.from<number | bigint>(json) : json
}

function withoutStack({ stack: _stack, cause, errors, ...rest }: Thrown): Thrown {
  return {
    ...rest,
    ...(cause && { cause: withoutStack(cause) }),
    ...(errors && { errors: errors.map(withoutStack) }),
  }
}

function findLoss(json: unknown): string | undefined {
  if (typeof json === 'number') return Number.isFinite(json) ? undefined : `${json}, stored as null`
  if (typeof json === 'function' || typeof json === 'symbol') return `a ${typeof json}, left out`
  return isEmptied(json) ? `a ${json.constructor?.name || 'value'} without fields, stored as {}` : undefined
}

/** Of a class, and without a field that JSON sees: a RegExp, a Promise, Headers. */
function isEmptied(json: unknown): json is object {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false
  if (isError(json) || types.isMap(json) || types.isSet(json) || types.isTypedArray(json)) return false
  if (types.isBoxedPrimitive(json) || Object.keys(json).length > 0) return false
  const prototype: object | null = Object.getPrototypeOf(json)
  // Of whatever realm.
  return prototype !== null && Object.getPrototypeOf(prototype) !== null
}
