import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, test } from 'vitest'
import * as mini from 'zod/mini'
import { prepareParams, restoreParams } from '../../../src/engine/definition/params.ts'
import type { ParamsSchema } from '../../../src/engine/definition/params-schema.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { taskSettings } from '../../../src/engine/definition/settings.ts'
import { describeType } from '../../../src/engine/manager/type-view.ts'
import type { ParamsOf } from '../../../src/index.ts'

const prepare = (schema: ParamsSchema, input: unknown) => prepareParams('t', schema, input, 10_000)

async function refusalsOf(schema: ParamsSchema, input: unknown): Promise<unknown> {
  const error: unknown = await prepare(schema, input).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof Error && 'problems' in error ? error.problems : error
}

/** A schema that is nothing but the standard. */
function schemaOf<T extends Record<string, unknown> = Record<string, unknown>>(
  validate: (value: unknown) => unknown,
): StandardSchemaV1<T> {
  // The tests are about what the types forbid, too.
  return { '~standard': { version: 1, vendor: 'nobody', validate: validate as never } }
}

const order = v.object({
  id: v.pipe(v.number(), v.integer('must be whole')),
  note: v.optional(v.string(), 'none'),
  items: v.array(v.object({ 'a/b': v.string('must be a text') })),
})

describe('params of a Standard Schema', () => {
  test('are parsed when they are created and before a run, and typed', async () => {
    const { task } = createTaskRegistry()
    const ship = task('ship', { params: order })((params) => {
      expectTypeOf(params).toEqualTypeOf<{ id: number; note: string; items: { 'a/b': string }[] }>()
    })
    expectTypeOf<ParamsOf<typeof ship>>().toEqualTypeOf<{
      id: number
      note?: string | undefined
      items: { 'a/b': string }[]
    }>()
    const stored = await prepare(order, { id: 7, items: [] })
    expect(Object.fromEntries(stored)).toEqual({ id: '7', note: '"none"', items: '[]' })
    expect(await restoreParams('t', order, Object.fromEntries(stored))).toEqual({
      id: 7,
      note: 'none',
      items: [],
    })
    await expect(restoreParams('t', order, { id: '"x"', items: '[]' })).rejects.toMatchObject({
      code: 'INVALID_PARAMS',
      problems: [{ pointer: '/id' }],
    })
  })

  test('are refused with a pointer for each issue, whichever form its path has', async () => {
    expect(await refusalsOf(order, { id: 1.5, items: [{ 'a/b': 1 }] })).toEqual([
      { pointer: '/id', detail: 'must be whole' },
      { pointer: '/items/0/a~1b', detail: 'must be a text' },
    ])
    const issues = [
      { message: 'no path' },
      { message: 'keys', path: ['a', 0] },
      { message: 'parts', path: [{ key: 'b' }] },
    ]
    expect(
      await refusalsOf(
        schemaOf(() => ({ issues })),
        {},
      ),
    ).toEqual([
      { pointer: '', detail: 'no path' },
      { pointer: '/a/0', detail: 'keys' },
      { pointer: '/b', detail: 'parts' },
    ])
    expect(
      await refusalsOf(
        schemaOf(() => ({ issues: [] })),
        {},
      ),
    ).toMatchObject([{ pointer: '' }])
    const many = schemaOf(() => ({ issues: Array.from({ length: 5_000 }, () => ({ message: 'no' })) }))
    expect(await refusalsOf(many, {})).toHaveLength(100)
  })

  test('may be checked with a promise', async () => {
    const seven = v.objectAsync({
      id: v.pipeAsync(
        v.number(),
        v.checkAsync(async (id) => id === 7, 'must be 7'),
      ),
    })
    expect([...(await prepare(seven, { id: 7 }))]).toEqual([['id', '7']])
    expect(await refusalsOf(seven, { id: 8 })).toEqual([{ pointer: '/id', detail: 'must be 7' }])
  })

  test.each<[string, unknown]>([
    ['a list', [1]],
    ['a text', 'text'],
    ['null', null],
  ])('that become %s are refused', async (_name, value) => {
    expect(
      await refusalsOf(
        schemaOf(() => ({ value })),
        {},
      ),
    ).toEqual([{ pointer: '', detail: expect.stringMatching(/must be an object: the schema made/) }])
  })

  test('that do not parse again to themselves are refused', async () => {
    const growing = v.object({
      n: v.pipe(
        v.number(),
        v.transform((n) => n + 1),
      ),
    })
    expect(await refusalsOf(growing, { n: 1 })).toMatchObject([{ pointer: '/n' }])
  })

  test('reject with what the schema throws', async () => {
    const failing = schemaOf(() => {
      throw new RangeError('the dictionary is away')
    })
    await expect(prepare(failing, {})).rejects.toThrow(new RangeError('the dictionary is away'))
  })

  test.each<[string, unknown]>([
    ['valibot', v.object({})],
    ['zod/mini', mini.object({})],
    ['nobody', schemaOf(() => ({ value: {} }))],
    [
      'a function, as of ArkType',
      Object.assign(
        () => {},
        schemaOf(() => ({ value: {} })),
      ),
    ],
  ])('may be of %s', (_name, params) => {
    expect(createTaskRegistry().task('t', { params } as never)).toBeTypeOf('function')
  })
})

test('a list that a schema of anything lets pass is refused', async () => {
  expect(await refusalsOf(mini.any() as never, [])).toEqual([
    { pointer: '', detail: expect.stringContaining('a list') },
  ])
})

describe('the JSON Schema of a type', () => {
  const settings = taskSettings.parse({})
  const shown = (params: ParamsSchema) =>
    describeType({ type: 't', options: { params } }, settings, false).params
  const withJson = (input: () => Record<string, unknown>): ParamsSchema => {
    const { '~standard': standard } = schemaOf(() => ({ value: {} }))
    return { '~standard': { ...standard, jsonSchema: { input, output: input } } } as ParamsSchema
  }

  test.each<[string, ParamsSchema, unknown]>([
    ['any object without one', v.object({ id: v.number() }), { type: 'object' }],
    [
      'that of the library',
      withJson(() => ({ type: 'object', properties: { id: { type: 'number' } } })),
      { type: 'object', properties: { id: { type: 'number' } } },
    ],
    [
      'any object where the library fails',
      withJson(() => {
        throw new Error('not this one')
      }),
      { type: 'object', description: expect.stringContaining('not this one') },
    ],
    [
      'made by zod for zod/mini',
      mini.object({ id: mini.number() }),
      expect.objectContaining({ required: ['id'] }),
    ],
  ])('is %s', (_name, params, expected) => {
    expect(shown(params)).toEqual(expected)
  })
})
