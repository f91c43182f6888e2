import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { TaskError } from '../../../src/engine/definition/errors.ts'
import {
  anyParams,
  decodeParams,
  prepareParams,
  restoreParams,
} from '../../../src/engine/definition/params.ts'
import type { ParamsSchema } from '../../../src/engine/definition/params-schema.ts'
import { toPointer } from '../../../src/engine/definition/pointer.ts'

const MIB = 1_048_576

/** What a run is given of params that went in, over the texts that the table keeps. */
async function roundTrip(input: unknown, schema: ParamsSchema = anyParams): Promise<unknown> {
  return restoreParams('t', schema, Object.fromEntries(await prepareParams('t', schema, input, MIB)))
}

async function storedTexts(schema: ParamsSchema, input: unknown): Promise<Record<string, string>> {
  return Object.fromEntries(await prepareParams('t', schema, input, MIB))
}

/** The pointers of a refusal. */
async function refusedAt(input: unknown, schema: ParamsSchema = anyParams): Promise<string[]> {
  const error = await prepareParams('t', schema, input, MIB).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(TaskError)
  const { code, problems } = error as TaskError
  expect(code).toBe('INVALID_PARAMS')
  return problems.map(({ pointer }) => pointer)
}

describe('params come back as they went in', () => {
  test.each<[string, unknown]>([
    ['a symbol that looks like a number', '600519'],
    ['one with leading zeros', '000001'],
    ['the word true', 'true'],
    ['the word null', 'null'],
    ['an empty text', ''],
    ['text that is JSON', '{"a":[1]}'],
    ['text with quotes, backslashes and braces', `"\\{},'NULL`],
    ['all of Unicode', '贵州茅台 ñ 😀 \u2028 \u0001 \ufffd'],
    ['a number', 600519],
    ['a fraction', -0.1],
    ['the largest safe integer', Number.MAX_SAFE_INTEGER],
    ['a tiny number', 5e-324],
    ['true', true],
    ['false', false],
    ['null', null],
    ['an empty list', []],
    ['an empty object', {}],
    ['a nest', { list: [1, [2, { deep: [null, 'x', { '': true }] }]] }],
    ['1 MiB, with its key and quotes', 'x'.repeat(MIB - '""value'.length)],
    ['1 MB of Chinese', '汉'.repeat(333_333)],
  ])('%s', async (_what, value) => {
    const input = { value }
    expect(await roundTrip(input)).toStrictEqual(input)
  })

  test('any JSON', async () => {
    const wellFormed = (text: string) => text.isWellFormed() && !text.includes('\u0000')
    const text = fc.string({ unit: 'binary', maxLength: 20 }).filter(wellFormed)
    const params = fc.dictionary(
      text.filter((key) => key !== '__proto__'),
      // A key that names the prototype is refused, at any depth.
      fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('__proto__')),
      { noNullPrototype: true },
    )
    await fc.assert(
      fc.asyncProperty(params, async (input) => {
        expect(await roundTrip(input)).toStrictEqual(JSON.parse(JSON.stringify(input)))
      }),
      { numRuns: 300 },
    )
  })

  test('under keys that objects and paths treat specially', async () => {
    const keys = [
      '',
      ' ',
      '0',
      '-1',
      'a/b',
      'a~b',
      'constructor',
      'toString',
      'hasOwnProperty',
      '键',
      'length',
    ]
    const input = Object.fromEntries(keys.map((key, i) => [key, i]))
    expect(await roundTrip(input)).toStrictEqual(input)
  })

  test('with keys of 100 characters, nested 99 deep', async () => {
    const input = { ['k'.repeat(100)]: nested(98) }
    expect(await roundTrip(input)).toStrictEqual(input)
  })

  test('absent, as no params', async () => {
    expect(await roundTrip({})).toStrictEqual({})
    expect(decodeParams(null)).toStrictEqual({})
    expect(await restoreParams('t', z.object({ a: z.int().default(1) }), null)).toStrictEqual({ a: 1 })
  })
})

describe('what cannot be stored is refused, with a pointer', () => {
  test.each<[string, unknown, string[]]>([
    ['NUL', { a: 'x\u0000' }, ['/a']],
    ['NUL in a nest', { a: [{ b: ['ok', '\u0000'] }] }, ['/a/0/b/1']],
    ['NUL in a key', { 'a\u0000': 1 }, ['/a\u0000']],
    ['NUL in a nested key', { a: { '\u0000': 1 } }, ['/a/\u0000']],
    ['a lone high surrogate', { a: '\ud83d' }, ['/a']],
    ['a lone low surrogate', { a: 'x\ude00y' }, ['/a']],
    ['a lone surrogate in a key', { '\ud83d': 1 }, ['/\ud83d']],
    ['too deep a nest', { a: nested(101) }, [`/a${'/0'.repeat(100)}`]],
    ['a key of 101 characters', { ['k'.repeat(101)]: 1 }, [`/${'k'.repeat(101)}`]],
    ['a pointer of odd keys', { 'a/b~c': '\u0000' }, ['/a~1b~0c']],
    ['more than 1 MiB', { a: 1, b: 'x'.repeat(MIB - 4) }, ['/b']],
    ['more than 1 MiB in all', { a: 'x'.repeat(MIB / 2), b: 'x'.repeat(MIB / 2) }, ['/b']],
    ['BigInt', { a: 1n }, ['']],
    ['NaN', { a: Number.NaN }, ['/a']],
    ['Infinity', { a: [Number.POSITIVE_INFINITY] }, ['/a/0']],
    ['a Date', { a: new Date(0) }, ['/a']],
    ['a Map', { a: new Map([[1, 2]]) }, ['/a']],
    ['a function', { a: () => 1 }, ['/a']],
    ['a symbol', { a: Symbol('s') }, ['/a']],
    ['a key that names the prototype', JSON.parse('{"__proto__": {"admin": true}}'), ['/__proto__']],
    ['a nested one', { a: [JSON.parse('{"__proto__": 1}')] }, ['/a/0/__proto__']],
  ])('%s', async (_what, input, pointers) => {
    // Whatever a type without a schema, or with a lax one, would let pass.
    expect(await refusedAt(input)).toEqual(pointers)
    expect(await refusedAt(input, z.record(z.string(), z.unknown()))).not.toEqual([])
    expect(await refusedAt(input, z.looseObject({}))).not.toEqual([])
  })

  test('a cycle', async () => {
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    expect(await refusedAt(cyclic, z.record(z.string(), z.unknown()))).toHaveLength(1)
  })

  test.each([[[]], [[1]], ['text'], [7], [true], [new Date(0)], [new Map()]])(
    'params that are no object: %j',
    async (input) => {
      expect(await refusedAt(input)).toEqual([''])
    },
  )

  test('a refusal of very many values stays readable', async () => {
    const input = { ids: Array.from({ length: 100_000 }, () => 'x') }
    expect((await refusedAt(input, z.object({ ids: z.array(z.int()) }))).length).toBeLessThanOrEqual(100)
  })

  test('without harm to any prototype', () => {
    const decoded = decodeParams(JSON.parse('{"__proto__": "{\\"admin\\":true}"}'))
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype)
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})

describe('a schema', () => {
  test('has its defaults stored', async () => {
    const schema = z.object({ userId: z.number().int(), dryRun: z.boolean().default(false) })
    expect(await storedTexts(schema, { userId: 7 })).toEqual({ userId: '7', dryRun: 'false' })
  })

  test('fixes what depends on the moment at creation', async () => {
    let calls = 0
    const schema = z.object({ day: z.string().default(() => `day ${++calls}`) })
    const stored = await storedTexts(schema, {})
    expect(stored).toEqual({ day: '"day 1"' })
    expect(await restoreParams('t', schema, stored)).toEqual({ day: 'day 1' })
  })

  test('has what it made of the params stored, not what came', async () => {
    const schema = z.object({ name: z.string().trim().toLowerCase(), drop: z.undefined().optional() })
    expect(await storedTexts(schema, { name: '  ABC ', other: 1 })).toEqual({ name: '"abc"' })
  })

  test('may leave a param undefined, which is the same as absent', async () => {
    const schema = z.object({ a: z.string().optional(), list: z.array(z.object({ b: z.int().optional() })) })
    expect(await storedTexts(schema, { a: undefined, list: [{ b: undefined }] })).toEqual({ list: '[{}]' })
  })

  test('turns times into dates, again at each run', async () => {
    const schema = z.object({ at: z.coerce.date() })
    const at = new Date('2024-02-29T12:34:56.789Z')
    expect(await storedTexts(schema, { at })).toEqual({ at: '"2024-02-29T12:34:56.789Z"' })
    expect(await roundTrip({ at }, schema)).toStrictEqual({ at })
    expect(await roundTrip({ at: '2024-02-29T12:34:56.789Z' }, schema)).toStrictEqual({ at })
  })

  test('may check with a promise', async () => {
    const schema = z.object({ id: z.int().refine(async (id) => id === 7, 'must be 7') })
    expect(await roundTrip({ id: 7 }, schema)).toEqual({ id: 7 })
    expect(await refusedAt({ id: 8 }, schema)).toEqual(['/id'])
  })

  const addOne = (params: Record<string, unknown>) => {
    if (Array.isArray(params.list)) params.list.push('one more')
    return params
  }
  test.each<[string, ParamsSchema, unknown]>([
    ['that changes what it is given', z.looseObject({}).transform(addOne), { list: [] }],
    ['that takes no text for the date it makes', z.object({ at: z.date() }), { at: new Date(0) }],
    ['that changes its own output', z.object({ n: z.int().transform((n) => n + 1) }), { n: 1 }],
    ['that makes another type', z.object({ n: z.string().transform((text) => text.length) }), { n: 'abc' }],
    ['that renames', z.object({ a: z.int() }).transform(({ a }) => ({ b: a })), { a: 1 }],
    ['that lets NaN pass, which JSON makes null', z.object({ n: z.unknown() }), { n: Number.NaN }],
    ['that lets a Map pass, which JSON empties', z.object({ m: z.unknown() }), { m: new Map([[1, 2]]) }],
    ['that lets a Date pass, which JSON makes text', z.object({ d: z.unknown() }), { d: new Date(0) }],
    ['that lets a hole pass, which JSON makes null', z.object({ l: z.unknown() }), { l: [undefined] }],
    ['that makes a BigInt', z.object({ n: z.coerce.bigint() }), { n: '1' }],
    ['that makes NUL', z.object({ a: z.string().transform((text) => `${text}\u0000`) }), { a: '' }],
  ])('%s is refused: a run would work on other params', async (_what, schema, input) => {
    expect(await refusedAt(input, schema)).not.toEqual([])
  })

  test('takes -0 as 0, which is all that JSON knows', async () => {
    expect(await roundTrip({ n: -0 }, z.object({ n: z.number() }))).toStrictEqual({ n: 0 })
  })

  test('may come from objects without a prototype', async () => {
    const params = Object.assign(Object.create(null), { a: Object.assign(Object.create(null), { b: 1 }) })
    expect(await roundTrip(params, z.object({ a: z.unknown() }))).toEqual({ a: { b: 1 } })
  })

  test('names each field that it refuses', async () => {
    const schema = z.strictObject({ userId: z.int(), tags: z.array(z.string()) })
    expect(await refusedAt({ userId: 'x', tags: ['a', 1], nope: 1, 'a/b': 2 }, schema)).toEqual([
      '/userId',
      '/tags/1',
      '/nope',
      '/a~1b',
    ])
  })

  test('that stored params no longer fit refuses them before a run', async () => {
    const restored = restoreParams('resize', z.object({ width: z.int() }), { width: '"wide"' })
    await expect(restored).rejects.toMatchObject({
      code: 'INVALID_PARAMS',
      message: expect.stringContaining("'resize'"),
      problems: [{ pointer: '/width' }],
    })
  })
})

test('toPointer writes RFC 6901', () => {
  expect(toPointer([])).toBe('')
  expect(toPointer(['a', 0, ''])).toBe('/a/0/')
  expect(toPointer(['a/b', 'm~n', '~1'])).toBe('/a~1b/m~0n/~01')
})

/** A list in a list, so many levels. */
function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}
