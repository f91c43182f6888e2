import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { en } from '../../src/dashboard/i18n/en.ts'
import { sortProblems, toDrafts, toParams } from '../../src/dashboard/params/draft.ts'
import { type Field, type JsonSchema, listFields } from '../../src/dashboard/params/field.ts'

/** As the server describes the params of a type. */
const schemaOf = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' }) as JsonSchema

function fieldsOf(shape: z.ZodRawShape): Field[] {
  const fields = listFields(schemaOf(z.object(shape)))
  if (!fields) throw new Error('the schema names no fields')
  return fields
}
const fieldOf = (schema: z.ZodType) => fieldsOf({ it: schema })[0]

test.each([
  ['a string', z.string(), 'text'],
  ['a number', z.number(), 'number'],
  ['an integer', z.int(), 'integer'],
  ['a boolean', z.boolean(), 'flag'],
  ['an enum', z.enum(['a', 'b']), 'choice'],
  ['a literal', z.literal('a'), 'choice'],
  ['a date', z.iso.date(), 'date'],
  ['an instant', z.iso.datetime(), 'instant'],
  ['a list of strings', z.array(z.string()), 'list'],
  ['a list of numbers', z.array(z.number()), 'list'],
  ['a list of objects', z.array(z.object({ a: z.int() })), 'json'],
  ['an object', z.object({ a: z.int() }), 'json'],
  ['a record', z.record(z.string(), z.int()), 'json'],
  ['one of two kinds', z.union([z.string(), z.int()]), 'json'],
  ['anything', z.unknown(), 'json'],
] as const)('%s has its control', (_name, schema, kind) => {
  expect(fieldOf(schema)).toMatchObject({ kind, isRequired: true })
})

test('null, absence and defaults are told apart', () => {
  expect(fieldOf(z.string().nullable())).toMatchObject({ kind: 'text', isNullable: true, isRequired: true })
  expect(fieldOf(z.string().optional())).toMatchObject({ isNullable: false, isRequired: false })
  expect(fieldOf(z.enum(['a', 'b']).nullable())).toMatchObject({ kind: 'choice', options: ['a', 'b'] })
  expect(fieldOf(z.int().min(1).max(9).default(3))).toMatchObject({
    isRequired: false,
    fallback: 3,
    limits: { min: 1, max: 9 },
  })
  // The limits of safe integers are nobody's wish.
  expect(fieldOf(z.int())?.limits).toEqual({})
})

test('a schema that names no keys has no fields', () => {
  expect(listFields(schemaOf(z.record(z.string(), z.unknown())))).toBeUndefined()
  expect(listFields({})).toBeUndefined()
  expect(listFields(schemaOf(z.object({})))).toEqual([])
})

describe('what is entered', () => {
  const fields = fieldsOf({
    name: z.string(),
    note: z.string().optional(),
    size: z.int(),
    ratio: z.number().optional(),
    mode: z.enum(['fast', 'safe']).default('safe'),
    level: z.literal([1, 2]).optional(),
    day: z.iso.date().optional(),
    dryRun: z.boolean(),
    loud: z.boolean().optional(),
    comment: z.string().nullable(),
    tags: z.array(z.string()),
    counts: z.array(z.int()).optional(),
    options: z.object({ depth: z.int() }).optional(),
  })

  test('becomes params of the right types', () => {
    const drafts = {
      name: '007',
      size: '42',
      ratio: '1.5',
      mode: '"fast"',
      level: '2',
      day: '2026-01-31',
      dryRun: 'true',
      comment: null,
      tags: 'a\nb c\n\n',
      counts: '1\n2',
      options: '{"depth": 3}',
    }
    const { params, problems } = toParams(fields, drafts, en)
    expect(problems).toEqual({})
    expect(params).toEqual({
      name: '007',
      size: 42,
      ratio: 1.5,
      mode: 'fast',
      level: 2,
      day: '2026-01-31',
      dryRun: true,
      comment: null,
      tags: ['a', 'b c'],
      counts: [1, 2],
      options: { depth: 3 },
    })
  })

  test('is left out where nothing was entered and nothing is required', () => {
    const { params, problems } = toParams(fields, { name: '', size: '1', comment: '' }, en)
    expect(problems).toEqual({})
    expect(params).toEqual({ name: '', size: 1, dryRun: false, comment: '', tags: [] })
  })

  test('is refused where it cannot be what the field asks for', () => {
    const drafts = { name: 'x', ratio: 'half', counts: '1\ntwo', options: '{depth: 3}' }
    expect(toParams(fields, drafts, en).problems).toEqual({
      size: 'is required',
      ratio: 'must be a number',
      counts: 'must be a number',
      options: 'is not JSON',
    })
  })

  test('comes back from the params of a task', () => {
    const params = {
      name: '007',
      size: 42,
      mode: 'fast',
      dryRun: false,
      comment: null,
      tags: ['a', 'b'],
      options: { depth: 3 },
    }
    expect(toParams(fields, toDrafts(fields, params), en)).toEqual({ params, problems: {} })
  })
})

test("the server's problems are sorted by the fields they are about", () => {
  const { params, others } = sortProblems([
    { pointer: '/params/startDate', detail: 'must be a date' },
    { pointer: '/params/tags/3', detail: 'must be short' },
    { pointer: '/params/a~1b', detail: 'is odd' },
    { pointer: '/runAt', detail: 'must be an instant' },
    { pointer: '/params', detail: 'must be an object' },
  ])
  expect(params).toEqual({ startDate: 'must be a date', tags: 'must be short', 'a/b': 'is odd' })
  expect(others).toEqual({ runAt: 'must be an instant', params: 'must be an object' })
})
