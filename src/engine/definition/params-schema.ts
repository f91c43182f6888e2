import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { z } from 'zod'

/**
 * Schema of params: a Standard Schema (https://standardschema.dev) of a JSON object, such as one of zod, valibot or
 * ArkType. It may check with a promise. It must parse its own output, as JSON, to itself.
 */
export type ParamsSchema = StandardSchemaV1<Record<string, unknown>, Record<string, unknown>>

/** What `task()` takes: TypeScript does not count an interface as a record. */
export type AnyParamsSchema = StandardSchemaV1<object, object>

/** Kinds of zod schemas whose output is never an object, or does not survive JSON. */
const NEVER_OBJECTS: ReadonlySet<string> = new Set([
  'string',
  'number',
  'int',
  'boolean',
  'bigint',
  'symbol',
  'null',
  'undefined',
  'void',
  'never',
  'nan',
  'date',
  'literal',
  'enum',
  'template_literal',
  'array',
  'tuple',
  'set',
  'map',
  'file',
  'function',
  'success',
])

/** Why a schema cannot parse params, as far as that shows without params; undefined: no problem found. */
export function findSchemaProblem(schema: unknown): string | undefined {
  if (schema === undefined) return undefined
  if (!isStandardSchema(schema)) {
    return `params must be a Standard Schema of an object, such as z.object({ … }), got ${describeNonSchema(schema)}`
  }
  if (!isZodSchema(schema) || canBeObject(schema)) return undefined
  return `params must be a schema of an object such as z.object({ … }), got a schema of type ${schema._zod.def.type}`
}

/** A function, too: a schema of ArkType is one. */
function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = '~standard' in value ? value['~standard'] : undefined
  if (typeof standard !== 'object' || standard === null) return false
  return (
    'version' in standard &&
    standard.version === 1 &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  )
}

/** Of zod 4 or zod/mini. A schema of zod/v4/core has no methods, and is a Standard Schema like any other. */
export function isZodSchema(value: object): value is z.ZodType & z.core.$ZodTypes {
  return '_zod' in value && 'safeParseAsync' in value && typeof value.safeParseAsync === 'function'
}

function describeNonSchema(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object') return `a ${typeof value}`
  if ('~standard' in value)
    return `a schema of ${vendorOf(value['~standard'])} without version 1 of the standard`
  if ('_def' in value) return 'a schema of zod 3: update zod to version 4'
  const isShape = Object.values(value).some(isStandardSchema)
  if (isShape) return 'an object of schemas: wrap it in z.object()'
  return isJsonSchema(value)
    ? 'a JSON Schema, such as one of TypeBox: wrap it in a Standard Schema; see docs/handlers.md, Schemas'
    : 'an object that is no schema'
}

function isJsonSchema(value: object): boolean {
  return '~kind' in value || ('type' in value && 'properties' in value)
}

function vendorOf(standard: unknown): string {
  const vendor = typeof standard === 'object' && standard !== null && 'vendor' in standard && standard.vendor
  return typeof vendor === 'string' ? vendor : 'another library'
}

/** True also where it depends on the params or on code. */
function canBeObject(schema: z.core.$ZodType): boolean {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'union':
      return def.options.some(canBeObject)
    case 'intersection':
      return canBeObject(def.left) && canBeObject(def.right)
    case 'pipe':
      // Parsed params are parsed again, so the input must be an object, too.
      return canBeObject(def.in) && canBeObject(def.out)
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
    case 'promise':
      return canBeObject(def.innerType)
    default:
      return !NEVER_OBJECTS.has(def.type)
  }
}
