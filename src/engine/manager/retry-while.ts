import { setTimeout as delay } from 'node:timers/promises'

/**
 * Tries for so long to change a row that a transaction holds: a handler that honours its signal has rolled back by then.
 * Between two tries no connection is taken.
 */
const TRY_FOR_MS = 700
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 40

/** Tries again while rows are locked; resolves to the last result, which may still be so. */
export async function retryWhile<T>(
  attempt: (tries: number) => Promise<T>,
  isLocked: (result: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + TRY_FOR_MS
  for (let tries = 0; ; tries += 1) {
    const result = await attempt(tries)
    if (!isLocked(result) || performance.now() >= deadline) return result
    await delay(Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS))
  }
}
