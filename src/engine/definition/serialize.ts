import { types } from 'node:util'
import { describeError } from './outcome.ts'
import { findErrorAt, isError, readThrown, type Thrown } from './thrown.ts'

/** JSON of results and log fields, with forms for Maps, Sets, Errors and results of statements; reports what is lost. */

export interface Loss {
  readonly pointer: string
  readonly what: string
}

/** Errors lose their stack. @throws for a cycle, a BigInt, or an error of a `toJSON` */
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

/** Never throws: omits fields that JSON cannot hold, and names them in `unserialisable`. */
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
    // Not with its own `toJSON`, which may be what threw.
    return [[key, isError(value) ? readThrown(value) : JSON.parse(toLogJson(value) ?? 'null')]]
  } catch {
    return []
  }
}

/** Errors with stacks but without own fields. */
function toLogJson(value: unknown): string | undefined {
  return JSON.stringify(value, function (this: object, key: string, json: unknown) {
    const error = findErrorAt(this, key, json)
    return error ? readThrown(error) : replace(json)
  })
}

function replace(json: unknown): unknown {
  if (types.isMap(json) || types.isSet(json)) return [...json]
  if (isStatementResult(json)) {
    const { command, rowCount, rows } = json
    return { command, rowCount, rows }
  }
  return types.isTypedArray(json) ? Array.from<number | bigint>(json) : json
}

const OF_A_STATEMENT = ['command', 'rowCount', 'oid', 'rows', 'fields'] as const

/** Of node-postgres: it holds the driver's parsers, too. A table of the handler's own, with `rows` and `fields`, is none. */
function isStatementResult(json: unknown): json is Record<(typeof OF_A_STATEMENT)[number], unknown> {
  return typeof json === 'object' && json !== null && OF_A_STATEMENT.every((name) => name in json)
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

/** An instance without JSON fields, such as a RegExp, a Promise or Headers. */
function isEmptied(json: unknown): json is object {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false
  if (isError(json) || types.isMap(json) || types.isSet(json) || types.isTypedArray(json)) return false
  if (types.isBoxedPrimitive(json) || Object.keys(json).length > 0) return false
  const prototype: object | null = Object.getPrototypeOf(json)
  return prototype !== null && Object.getPrototypeOf(prototype) !== null
}
