import { DrizzleQueryError } from 'drizzle-orm/errors'
import { describe, expect, test } from 'vitest'
import { described } from '../../src/telemetry/described.ts'

const reason = Object.assign(new RangeError('no room'), { code: '53100' })
const refused = new DrizzleQueryError('insert into accounts', ['secret'], reason)

describe("of Drizzle's error the log shows", () => {
  test.each([
    ['thrown as it is', refused],
    ['as a cause', new Error('could not write', { cause: refused })],
  ])('the reason and no statement, %s', (_what, error) => {
    const said = described(error)
    expect(said).toMatchObject({ error: { message: 'no room', code: '53100' } })
    expect(JSON.stringify(said)).not.toMatch(/secret|insert/)
  })

  test('where the reason came from', () => {
    expect(described(refused)).toMatchObject({ error: { name: 'RangeError', stack: reason.stack } })
  })
})

test('long words are cut', () => {
  const { error } = described(new Error('x'.repeat(100_000))) as { error: { message: string; stack: string } }
  expect([error.message.length, error.stack.length]).toEqual([2_000, 8_000])
  expect(described('y'.repeat(100_000)).error).toHaveLength(2_000)
})
