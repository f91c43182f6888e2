import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { describeProblems, type FieldProblem, TaskError } from './errors.ts'
import type { ParamsSchema } from './params-schema.ts'
import { parseWith } from './parse-params.ts'
import { toPointer } from './pointer.ts'
import { readThrown } from './thrown.ts'

const MAX_DEPTH = 100
/** Of stored params: a follow-up of a follow-up nests those of the failed task one level deeper. */
const MAX_STORED_DEPTH = 2 * MAX_DEPTH
/** Far below the depth at which JSON.stringify overflows the stack. */
const MAX_SHOWN_DEPTH = 1_000
const MAX_KEY_CHARS = 100

/** For a type without a schema. Values that are not JSON do not survive storage, which is an error. */
export const anyParams: ParamsSchema = z.record(z.string(), z.unknown())

export type StoredParams = ReadonlyMap<string, string>

/**
 * Parses params for storage. The stored result must parse to itself: a later run would otherwise have other params than
 * the creator got.
 *
 * @throws TaskError `INVALID_PARAMS`, with a pointer for each problem
 */
export async function prepareParams(
  type: string,
  schema: ParamsSchema,
  input: unknown,
  maxBytes: number,
): Promise<StoredParams> {
  const parsed = await parse(type, schema, input)
  const stored = toJson(type, parsed)
  const pointer = findDifference(parsed, await parse(type, schema, stored))
  if (pointer !== undefined) {
    const detail = 'would not come back as it is: the schema must parse its own output, as JSON, to itself'
    throw invalidParams(type, [{ pointer, detail }])
  }
  return encode(type, stored, maxBytes)
}

export function restoreParams(
  type: string,
  schema: ParamsSchema,
  stored: Readonly<Record<string, string>> | null,
): Promise<Record<string, unknown>> {
  return parse(type, schema, requireJson(type, stored), MAX_STORED_DEPTH)
}

/** Values that are not JSON, written by others, stay text. */
export function decodeParams(
  stored: Readonly<Record<string, string>> | null,
  decode = readJson,
): Record<string, z.core.util.JSONType> {
  return mapTexts(stored, decode)
}

function mapTexts<T>(
  stored: Readonly<Record<string, string>> | null,
  decode: (text: string) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(stored ?? {}).map(([key, text]) => [key, decode(text)]))
}

function readJson(text: string): z.core.util.JSONType {
  const value = parseJson(text)
  return value === undefined ? text : value
}

/** Parses JSON text; invalid JSON and deep nesting stay text. */
export function showJson(text: string): z.core.util.JSONType {
  const value = readJson(text)
  return text.length > MAX_SHOWN_DEPTH && isTooDeep(value) ? text : value
}

function isTooDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth > MAX_SHOWN_DEPTH || Object.values(value).some((item) => isTooDeep(item, depth + 1))
}

/** Never quotes the text, which may hold secrets. */
function requireJson(type: string, stored: Readonly<Record<string, string>> | null): Record<string, unknown> {
  const params = mapTexts(stored, parseJson)
  const broken = Object.entries(params).filter(([, value]) => value === undefined)
  if (broken.length === 0) return params
  throw invalidParams(
    type,
    broken.map(([key]) => ({ pointer: toPointer([key]), detail: 'is stored as text that is not JSON' })),
  )
}

/** Parses a schedule's params. @throws TaskError `INVALID_PARAMS`, without quoting the text */
export function decodeScheduleParams(type: string, text: string): Record<string, z.core.util.JSONType> {
  const params = parseJson(text)
  if (params === undefined || !isJsonObject(params)) {
    throw invalidParams(type, [{ pointer: '', detail: 'are stored as text that is not a JSON object' }])
  }
  requireStorable(type, params)
  return params
}

function parseJson(text: string): z.core.util.JSONType | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isJsonObject(value: z.core.util.JSONType): value is Record<string, z.core.util.JSONType> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function parse(
  type: string,
  schema: ParamsSchema,
  input: unknown,
  maxDepth = MAX_DEPTH,
): Promise<Record<string, unknown>> {
  requireStorable(type, input, maxDepth)
  const parsed = await parseWith(schema, input)
  if ('params' in parsed) return parsed.params
  throw invalidParams(type, parsed.problems)
}

/** Runs before anything recursive: deep nesting overflows the stack. @throws TaskError `INVALID_PARAMS` */
export function requireStorable(type: string, params: unknown, maxDepth = MAX_DEPTH): void {
  const unstorable = findUnstorable(params, maxDepth)
  if (unstorable) throw invalidParams(type, [unstorable])
}

/** NUL and lone surrogates cannot be stored, `__proto__` is lost, and deep nesting overflows stacks. */
function findUnstorable(value: unknown, maxDepth: number, depth = 0): FieldProblem | undefined {
  if (depth > maxDepth) return { pointer: '', detail: `must not be nested deeper than ${maxDepth} levels` }
  if (typeof value === 'string') return checkText(value)
  if (typeof value !== 'object' || value === null) return undefined
  for (const key of Object.keys(value)) {
    const problem = checkKey(key) ?? findUnstorable(Reflect.get(value, key), maxDepth, depth + 1)
    if (problem) return { ...problem, pointer: toPointer([key]) + problem.pointer }
  }
  return undefined
}

function checkKey(key: string): FieldProblem | undefined {
  if (key === '__proto__') return { pointer: '', detail: 'must not be named __proto__' }
  return checkText(key)
}

function checkText(text: string): FieldProblem | undefined {
  if (text.includes('\u0000')) return { pointer: '', detail: 'must not contain NUL (U+0000)' }
  if (!text.isWellFormed()) return { pointer: '', detail: 'must not contain a lone surrogate' }
  return undefined
}

/** The path of a difference; undefined: none. As in JSON, undefined is absent and -0 is 0. */
function findDifference(left: unknown, right: unknown): string | undefined {
  if (left === right) return undefined
  const bothLists = Array.isArray(left) && Array.isArray(right) && left.length === right.length
  if (!bothLists && !(isPlainObject(left) && isPlainObject(right))) {
    return isDeepStrictEqual(left, right) ? undefined : ''
  }
  const rights = new Map<string, unknown>(Object.entries(right))
  for (const [key, value] of Object.entries(left)) {
    const pointer = findDifference(value, rights.get(key))
    if (pointer !== undefined) return toPointer([key]) + pointer
    rights.delete(key)
  }
  const added = [...rights].find(([, value]) => value !== undefined)
  return added && toPointer([added[0]])
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

function toJson(type: string, parsed: Record<string, unknown>): Record<string, unknown> {
  try {
    return JSON.parse(JSON.stringify(parsed))
  } catch (error) {
    throw invalidParams(type, [{ pointer: '', detail: `must be JSON: ${readThrown(error).message}` }])
  }
}

function encode(type: string, stored: Record<string, unknown>, maxBytes: number): StoredParams {
  const encoded = new Map<string, string>()
  let bytes = 0
  for (const [key, value] of Object.entries(stored)) {
    const text = JSON.stringify(value)
    bytes += Buffer.byteLength(text) + Buffer.byteLength(key)
    if (key.length > MAX_KEY_CHARS) {
      throw invalidParams(type, [
        { pointer: toPointer([key]), detail: `key must have at most ${MAX_KEY_CHARS} characters` },
      ])
    }
    if (bytes > maxBytes) {
      throw invalidParams(type, [
        {
          pointer: toPointer([key]),
          detail: `is too large: all params, keys and values, may take ${maxBytes} bytes of JSON`,
        },
      ])
    }
    encoded.set(key, text)
  }
  return encoded
}

export function invalidParams(type: string, problems: readonly FieldProblem[]): TaskError {
  const list = describeProblems(problems, '(params)')
  return new TaskError('INVALID_PARAMS', `params of '${type}' are invalid: ${list}`, { problems })
}
