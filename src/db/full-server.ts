import { setTimeout as delay } from 'node:timers/promises'
import { codeOf, TOO_MANY_CONNECTIONS } from './errors.ts'

const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 500

export interface ConnectionWait {
  /** Default: no limit. */
  readonly withinMs?: number
  /** Ends the wait with the error of the last try. */
  readonly signal?: AbortSignal | undefined
  /** Called once. */
  readonly onWait?: (() => void) | undefined
}

/**
 * Repeats work that needs a new connection while the server, role or database has none left. It must not have sent
 * anything.
 */
export async function awaitConnection<T>(work: () => Promise<T>, options: ConnectionWait = {}): Promise<T> {
  const { withinMs = Number.POSITIVE_INFINITY, signal, onWait } = options
  const deadline = performance.now() + withinMs
  for (let pauseMs = FIRST_PAUSE_MS, tries = 0; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS), tries += 1) {
    try {
      return await work()
    } catch (error) {
      const isOver = signal?.aborted || performance.now() >= deadline
      if (codeOf(error) !== TOO_MANY_CONNECTIONS || isOver) throw error
      if (tries === 0) onWait?.()
      // Partly random, so that processes do not retry in step.
      await delay(pauseMs / 2 + (Math.random() * pauseMs) / 2, undefined, { signal }).catch(() => {})
    }
  }
}
