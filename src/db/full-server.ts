import { setTimeout as delay } from 'node:timers/promises'
import { codeOf, TOO_MANY_CONNECTIONS } from './errors.ts'

const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 500

export interface RoomOptions {
  /** Default: no limit. */
  readonly withinMs?: number
  /** Ends the wait: the error of the last try is thrown. */
  readonly signal?: AbortSignal | undefined
  /** Called once, when the wait begins. */
  readonly onWait?: (() => void) | undefined
}

/**
 * Runs work that needs a new connection, again and again while the server, or the role's or database's own limit, has
 * none left. It may run again only when nothing of it has been sent.
 */
export async function awaitRoom<T>(work: () => Promise<T>, options: RoomOptions = {}): Promise<T> {
  const { withinMs = Number.POSITIVE_INFINITY, signal, onWait } = options
  const deadline = performance.now() + withinMs
  for (let pauseMs = FIRST_PAUSE_MS, tries = 0; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS), tries += 1) {
    try {
      return await work()
    } catch (error) {
      const isOver = signal?.aborted || performance.now() >= deadline
      if (codeOf(error) !== TOO_MANY_CONNECTIONS || isOver) throw error
      if (tries === 0) onWait?.()
      // Partly random, so that many processes do not come back as one.
      await delay(pauseMs / 2 + (Math.random() * pauseMs) / 2, undefined, { signal }).catch(() => {})
    }
  }
}
