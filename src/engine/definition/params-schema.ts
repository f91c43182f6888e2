import type { z } from 'zod'

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
  if (!isZodSchema(schema)) {
    return `params must be a zod schema such as z.object({ … }), got ${describeNonSchema(schema)}`
  }
  if (canBeObject(schema)) return undefined
  return `params must be a schema of an object such as z.object({ … }), got a schema of type ${schema._zod.def.type}`
}

function isZodSchema(value: unknown): value is z.core.$ZodTypes {
  if (typeof value !== 'object' || value === null) return false
  return '_zod' in value && 'safeParseAsync' in value && typeof value.safeParseAsync === 'function'
}

function describeNonSchema(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object') return `a ${typeof value}`
  if ('_zod' in value) return 'a schema without its methods'
  if ('_def' in value) return 'a schema of zod 3: update zod to version 4'
  if ('~standard' in value) return `a schema of ${vendorOf(value['~standard'])}`
  const isShape = Object.values(value).some(isZodSchema)
  return isShape ? 'an object of schemas: wrap it in z.object()' : 'an object that is no schema'
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
