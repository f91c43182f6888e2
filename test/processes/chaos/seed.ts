import { createHash } from 'node:crypto'
import { expect } from 'vitest'

/** The long form is `npm run chaos`. */
export const LONG = process.env.CHAOS === 'long'

/** Speed counts in the long form alone, which has the machine to itself. */
export function expectWithin(tookMs: number, limitMs: number): void {
  if (LONG) expect(tookMs).toBeLessThanOrEqual(limitMs)
}

/** Whatever is left to chance follows from it: `CHAOS_SEED=… npm run chaos` draws the same. Vitest's configuration draws it. */
export const SEED = Number(process.env.CHAOS_SEED)

/** From 0 up to, and without, 1. */
export type Random = () => number

/** Each test draws from a source of its own, so that it draws the same when it runs alone. */
export function createRandom(name: string): Random {
  let state = createHash('sha256').update(`${SEED} ${name}`).digest().readUInt32LE()
  // Mulberry32: small, and good enough to choose whom to kill.
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

/** An integer, both ends included. */
export function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1))
}
