/** The parts of JSON Schema that a form is made from. The server checks the other parts. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly default?: unknown
  readonly description?: string
  readonly additionalProperties?: boolean | JsonSchema
}

export type FieldKind =
  | 'text'
  | 'number'
  | 'integer'
  | 'flag'
  | 'choice'
  | 'date'
  | 'instant'
  | 'list'
  | 'json'

export interface Field {
  readonly name: string
  readonly kind: FieldKind
  readonly isRequired: boolean
  readonly isNullable: boolean
  readonly fallback: unknown
  readonly description: string | undefined
  /** Of a choice. */
  readonly options: readonly unknown[]
  /** Of a list: what each of its lines is. */
  readonly itemKind: 'text' | 'number' | 'integer'
  readonly limits: { min?: number; max?: number; maxLength?: number }
  /** Why the field is not the plain control of its kind. */
  readonly reason?: FieldReason
}

/**
 * `raw`: a value that the control of its kind would alter or hide, edited as JSON. `asked`: a hidden value, which has
 * to be entered again. `kept`: a hidden value that stays while its marker stays. `rest`: keys that the schema does not name.
 */
export type FieldReason = 'raw' | 'asked' | 'kept' | 'rest'

/** The fields of an object's schema; undefined where it does not name its keys: then only JSON text will do. */
export function listFields(schema: JsonSchema): Field[] | undefined {
  if (schema.properties === undefined) return undefined
  const required = new Set(schema.required)
  return Object.entries(schema.properties).map(([name, property]) =>
    makeField(name, property, required.has(name)),
  )
}

function makeField(name: string, property: JsonSchema, isRequired: boolean): Field {
  const { schema, isNullable } = withoutNull(property)
  const { minimum, maximum, maxLength } = schema
  return {
    name,
    kind: kindOf(schema),
    isRequired: isRequired && property.default === undefined,
    isNullable,
    fallback: property.default,
    description: property.description ?? schema.description,
    options: schema.const === undefined ? (schema.enum ?? []).filter((one) => one !== null) : [schema.const],
    itemKind: schema.items ? (simpleKind(schema.items) ?? 'text') : 'text',
    limits: {
      // zod names the limits of safe integers where nobody has set any.
      ...(isReal(minimum) ? { min: minimum } : {}),
      ...(isReal(maximum) ? { max: maximum } : {}),
      ...(maxLength === undefined ? {} : { maxLength }),
    },
  }
}

const isReal = (limit: number | undefined): limit is number =>
  limit !== undefined && Math.abs(limit) < Number.MAX_SAFE_INTEGER

function withoutNull(schema: JsonSchema): { schema: JsonSchema; isNullable: boolean } {
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) {
    const rest = branches.filter(({ type }) => type !== 'null')
    const [only] = rest
    return rest.length === 1 && only
      ? { schema: only, isNullable: branches.length > 1 }
      : { schema, isNullable: false }
  }
  if (Array.isArray(schema.type) && schema.type.includes('null')) {
    const rest = schema.type.filter((one: string) => one !== 'null')
    return { schema: { ...schema, type: rest.length === 1 ? rest[0] : rest }, isNullable: true }
  }
  return { schema, isNullable: schema.enum?.includes(null) ?? false }
}

function kindOf(schema: JsonSchema): FieldKind {
  if (schema.enum !== undefined || schema.const !== undefined) return 'choice'
  if (schema.type === 'boolean') return 'flag'
  if (schema.type === 'string' && schema.format === 'date') return 'date'
  if (schema.type === 'string' && schema.format === 'date-time') return 'instant'
  if (schema.type === 'array' && schema.items && simpleKind(schema.items)) return 'list'
  return simpleKind(schema) ?? 'json'
}

function simpleKind({ type, enum: options }: JsonSchema): 'text' | 'number' | 'integer' | undefined {
  if (type === 'string') return 'text'
  return (type === 'number' || type === 'integer') && options === undefined ? type : undefined
}
