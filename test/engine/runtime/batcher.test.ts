import { describe, expect, test } from 'vitest'
import { Batcher, type BatchLimits } from '../../../src/engine/runtime/batcher.ts'
import { createGate } from '../../support/engine.ts'

const LIMITS = { maxItems: 3, maxBytes: 10, bytesOf: (text: string) => text.length }

/** A writer that shouts, says what it was given, and waits at a gate. */
function createWriter(limits: BatchLimits<string> = LIMITS) {
  const batches: (readonly string[])[] = []
  const gate = createGate()
  const write = async (items: readonly string[]) => {
    batches.push(items)
    await gate.opened
    if (items.includes('bad')) throw new Error('refused')
    return items.map((item) => item.toUpperCase())
  }
  return { batches, gate, batcher: new Batcher<string, string>(limits, write) }
}

describe('a batcher', () => {
  test('sends one alone at once, at most two batches at a time, and returns to each its own result', async () => {
    const { batches, gate, batcher } = createWriter()
    const answers = [batcher.add('a')]
    await Promise.resolve()
    expect(batches).toEqual([['a']])
    answers.push(batcher.add('b'))
    await Promise.resolve()
    answers.push(batcher.add('c'), batcher.add('d'), batcher.add('e'), batcher.add('f'))
    await Promise.resolve()
    expect(batches).toEqual([['a'], ['b']])
    gate.open()
    expect(await Promise.all(answers)).toEqual(['A', 'B', 'C', 'D', 'E', 'F'])
    expect(batches).toEqual([['a'], ['b'], ['c', 'd', 'e'], ['f']])
  })

  test('divides many over the batches that may leave, and a few not', async () => {
    const { batches, gate, batcher } = createWriter({ ...LIMITS, maxItems: 10, minShare: 2 })
    const add = (text: string) => [...text].map((item) => batcher.add(item))
    const answers = add('abcd')
    await Promise.resolve()
    await Promise.resolve()
    expect(batches).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    gate.open()
    expect(await Promise.all(answers)).toEqual(['A', 'B', 'C', 'D'])
    batches.length = 0
    await Promise.all(add('efg'))
    expect(batches).toEqual([['e', 'f', 'g']])
  })

  test('bounds a batch by its bytes, but lets a larger item go alone', async () => {
    const { batches, gate, batcher } = createWriter()
    gate.open()
    const items = ['12345', '67890', '1', 'longer than ten', '2']
    await Promise.all(items.map((item) => batcher.add(item)))
    expect(batches).toEqual([['12345', '67890'], ['1'], ['longer than ten'], ['2']])
  })

  test('lets what is wrong with one item fail that one alone', async () => {
    const { gate, batcher } = createWriter()
    gate.open()
    const answers = await Promise.allSettled(['a', 'bad', 'b'].map((item) => batcher.add(item)))
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  test('reports an outage to all, without a try for each', async () => {
    let tries = 0
    const batcher = new Batcher<string, string>(LIMITS, async () => {
      tries += 1
      throw Object.assign(new Error('gone'), { code: 'ECONNRESET' })
    })
    const answers = await Promise.allSettled(['a', 'b', 'c'].map((item) => batcher.add(item)))
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true)
    expect(tries).toBe(1)
  })
})
