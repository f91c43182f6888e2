import { isTransient } from '../../db/errors.ts'
import type { TaskEvents } from '../events.ts'
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
  for (let failures = 0; ; ) {
    try {
      const value = await write()
      if (failures > 0) context.events.emit('writeRecovered', { what })
      return { value, retried: failures > 0 }
    } catch (error) {
      if (!isTransient(error)) throw error
      failures += 1
      if (failures === 1) context.events.emit('writeDelayed', { what, error })
      await pause(backoffMs(failures), context.giveUp)
      if (context.giveUp.aborted)
        throw new GaveUp(`${what} could not be written before the deadline`, { cause: error })
    }
  }
}
