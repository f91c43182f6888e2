import { isTransient } from '../../db/errors.ts'
import type { TaskEventMap, TaskEvents } from './events.ts'
import { backoffMs } from './supervisor.ts'
import { pause } from './wake-up.ts'

/** The stop's deadline passed before a write went through; the lease will do the rest. */
export class GaveUp extends Error {
  override readonly name = 'GaveUp'
}

export interface Persisted<T> {
  readonly value: T
  /** A try before the last one failed: it may have taken effect all the same, its answer lost. */
  readonly retried: boolean
}

/**
 * Runs a write until it goes through, over outages and conflicts. Every write here is guarded by its fence, so
 * trying it again can change nothing twice. An error that will not pass by itself is thrown.
 */
export async function persist<T>(
  what: string,
  write: () => Promise<T>,
  context: { events: TaskEvents; giveUp: AbortSignal },
): Promise<Persisted<T>> {
  const { events, giveUp } = context
  let id: symbol | undefined
  let failures = 0
  const settle = (as: TaskEventMap['writeSettled'][0]['as']) => {
    if (id) events.emit('writeSettled', { write: id, what, as })
  }
  for (;;) {
    try {
      const value = await write()
      settle('written')
      return { value, retried: id !== undefined }
    } catch (error) {
      if (!isTransient(error)) {
        settle('refused')
        throw error
      }
      failures += 1
      if (!id) {
        id = Symbol(what)
        events.emit('writeDelayed', { write: id, what, error })
      }
      await pause(backoffMs(failures), giveUp)
      if (giveUp.aborted) {
        settle('given up')
        throw new GaveUp(`${what} could not be written before the deadline`, { cause: error })
      }
    }
  }
}
