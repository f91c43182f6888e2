import { setTimeout as delay } from 'node:timers/promises'

/** Handlers that honour their signal roll back within this time. No connection is held between two tries. */
const TRY_FOR_MS = 700
/** Also where one try takes longer than that: the second one may record a request, the third one waits. */
const LEAST_TRIES = 3
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 40

/** Repeats `attempt` while rows are locked, for a limited time. */
export async function retryWhile<T>(
  attempt: (tries: number) => Promise<T>,
  isLocked: (result: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + TRY_FOR_MS
  for (let tries = 0; ; tries += 1) {
    const result = await attempt(tries)
    const isLate = tries + 1 >= LEAST_TRIES && performance.now() >= deadline
    if (isLate || !isLocked(result)) return result
    await delay(Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS))
  }
}
