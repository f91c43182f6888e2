import fc, { type Arbitrary } from 'fast-check'
import type { HTTPMethods, InjectOptions } from 'fastify'

/** The parts of JSON Schema that the document uses. */
interface Schema {
  type?: string | string[]
  enum?: unknown[]
  anyOf?: Schema[]
  format?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
}

interface Operation {
  parameters?: { name: string; in: string; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, unknown>
}

export type Paths = Record<string, Record<string, Operation>>

export interface RandomRequest {
  readonly request: InjectOptions & { method: HTTPMethods; url: string }
  /** As in the document. */
  readonly path: string
  /** Names that a complaint may point at: what was sent, and what the document knows. */
  readonly fields: ReadonlySet<string>
  /** Statuses that the document announces; undefined where the request left the document. */
  readonly statuses: ReadonlySet<string> | undefined
}

/** What a generator cannot guess: ids and types that exist. `name[]`: the items of a list. */
export type Hints = Readonly<Record<string, readonly string[]>>

const AWKWARD_TEXTS = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\uffff',
  '😀',
  '../../etc/passwd',
  "';drop table async_tasks;--",
  '%',
  '%00',
  '__proto__',
  'constructor',
  '0',
  '-1',
  '1e400',
  '9'.repeat(30),
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999Z',
  '2019-02-30T00:00:00Z',
  '+275761-01-01T00:00:00Z',
  'x'.repeat(101),
  'x'.repeat(5_000),
]
const AWKWARD_VALUES = [null, true, -1, 0, 1.5, 2 ** 31, 2 ** 53, -1e308, [], {}, [[]], { '': null }]

const instant = fc
  .date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString())

const awkwardText = fc.oneof(fc.constantFrom(...AWKWARD_TEXTS), fc.string({ unit: 'binary', maxLength: 40 }))
const awkwardValue = fc.oneof(
  awkwardText,
  fc.constantFrom<unknown>(...AWKWARD_VALUES),
  fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }),
)

/** Values that the schema allows, as far as it says. */
function allowed(schema: Schema, name: string, hints: Hints): Arbitrary<unknown> {
  const known = hints[name]
  if (known && known.length > 0)
    return fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, awkwardText)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => allowed(one, name, hints)))
  const types = [schema.type ?? 'any'].flat()
  return fc.oneof(...types.map((type) => allowedOf(type, schema, name, hints)))
}

function allowedOf(type: string, schema: Schema, name: string, hints: Hints): Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return fc.integer({ min: schema.minimum ?? -1_000, max: Math.min(schema.maximum ?? 1_000, 2 ** 31) })
    case 'string':
      if (schema.format === 'date-time') return instant
      return fc.string({ minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 50, 50) })
    case 'array':
      return fc.array(allowed(schema.items ?? {}, `${name}[]`, hints), { maxLength: 3 })
    case 'object':
      return object(schema, hints)
    default:
      return fc.jsonValue({ maxDepth: 3 })
  }
}

/** Objects in which fields are right, wrong, missing or unknown; what is undefined is not sent. */
function object(schema: Schema, hints: Hints): Arbitrary<Record<string, unknown>> {
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const missing = fc.constant(undefined)
    const given = often(allowed(property, name, hints), often(awkwardValue, missing))
    // Fields that exclude each other would rarely leave an object that is right.
    return [name, schema.required?.includes(name) ? given : fc.oneof(given, missing)] as const
  })
  const known = fc.record(Object.fromEntries(fields))
  const unknown = fc.dictionary(awkwardText, awkwardValue, { maxKeys: 2 })
  const both = fc.tuple(known, unknown).map(([some, more]) => ({ ...more, ...some }))
  return often<Record<string, unknown>>(known, both)
}

function often<T>(usual: Arbitrary<T>, rare: Arbitrary<T>): Arbitrary<T> {
  return fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: rare })
}

interface Body {
  readonly fields: readonly string[]
  readonly payload: string | Buffer
  readonly contentType: string
}

function body(schema: Schema, hints: Hints): Arbitrary<Body | undefined> {
  const document = often(allowed(schema, '', hints), awkwardValue).map((value) => ({
    fields:
      typeof value === 'object' && value !== null ? Object.keys(value).map((key) => key.toWellFormed()) : [],
    payload: JSON.stringify(value),
    contentType: 'application/json',
  }))
  const broken = fc.constantFrom<string | Buffer>(
    '',
    '{',
    '{"taskType":"x"',
    '[1,]',
    'NaN',
    '1e400',
    '{"params":{"__proto__":{}}}',
    '\u0000',
    `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    JSON.stringify({ taskType: 'x'.repeat(3_000_000) }),
    Buffer.from([0xff, 0xfe, 0x00]),
    Buffer.from('{"taskType":"\xe9"}', 'latin1'),
  )
  const unreadable = fc
    .tuple(
      broken,
      fc.constantFrom('application/json', 'application/json; charset=utf-16', 'text/plain', 'x/y', ''),
    )
    .map(([payload, contentType]) => ({ fields: ['taskType'], payload, contentType }))
  return fc.oneof(
    { weight: 8, arbitrary: document },
    { weight: 2, arbitrary: unreadable },
    fc.constant(undefined),
  )
}

function query(operation: Operation, hints: Hints): Arbitrary<[string, string][]> {
  const known = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query')
  const pairs = known.map(({ name, schema }) =>
    fc.option(
      often(allowed(schema, name, hints), awkwardText).map((value) =>
        [value].flat().map((one): [string, string] => [name, String(one)]),
      ),
      { freq: 2 },
    ),
  )
  const unknown = often(
    fc.constant<[string, string][]>([]),
    fc.array(fc.tuple(awkwardText, awkwardText), { maxLength: 2 }),
  )
  return fc
    .tuple(fc.tuple(...pairs), unknown)
    .map(([some, more]) => [...some.flatMap((pair) => pair ?? []), ...more])
}

const PATH_PARAMETER = /\{(\w+)\}/g

/** A value for each parameter of the path. A lone dot would make another path of it before it is sent. */
function pathIds(path: string, hints: Hints): Arbitrary<Record<string, string>> {
  const names = [...path.matchAll(PATH_PARAMETER)].map(([, name = '']) => name)
  const value = (name: string) =>
    allowed({ type: 'string' }, name, hints).map((id) => encode(String(id)).replace(/^\.{1,2}$/, 'dot'))
  return fc.record(Object.fromEntries(names.map((name) => [name, value(name)])))
}

function operationRequest(
  path: string,
  method: string,
  operation: Operation,
  hints: Hints,
): Arbitrary<RandomRequest> {
  const schema = operation.requestBody?.content['application/json']?.schema
  const documented = [
    ...(operation.parameters ?? []).map(({ name }) => name),
    ...Object.keys(schema?.properties ?? {}),
  ]
  return fc
    .record({
      ids: pathIds(path, hints),
      query: query(operation, hints),
      rawQuery: often<string>(
        fc.constant(''),
        fc.constantFrom('&', '&%zz=%ff', '&page=1&page=2', '&a[b]=c', '&='),
      ),
      body: schema ? body(schema, hints) : fc.constant(undefined),
      otherMethod: often(
        fc.constant(undefined),
        fc.constantFrom<HTTPMethods>('GET', 'POST', 'PUT', 'PATCH', 'DELETE'),
      ),
    })
    .map(({ ids, query, rawQuery, body, otherMethod }) => {
      const pairs = query.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')
      const url = `${path.replace(PATH_PARAMETER, (_, name: string) => ids[name] ?? '')}?${pairs}${rawQuery}`
      const request = {
        method: otherMethod ?? (method.toUpperCase() as HTTPMethods),
        url,
        ...(body ? { payload: body.payload, headers: { 'content-type': body.contentType } } : {}),
      }
      const rawNames = ['%zz', 'page', 'a[b]', '']
      const fields = new Set([
        ...documented,
        ...query.map(([name]) => name.toWellFormed()),
        ...(body?.fields ?? []),
        ...rawNames,
      ])
      return {
        request,
        path,
        fields,
        statuses: otherMethod ? undefined : new Set(Object.keys(operation.responses)),
      }
    })
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

/** Requests that follow an OpenAPI document more or less. */
export function randomRequests(paths: Paths, hints: Hints): Arbitrary<RandomRequest> {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationRequest(path, method, operation, hints)),
  )
  return fc.oneof(...operations)
}
