import { isTransient } from '../../db/errors.ts'
import type { TaskEventMap, TaskEvents } from './events.ts'
import { backoffMs } from './supervisor.ts'
import { pause } from './wake-up.ts'

/** The stop's deadline passed before the write succeeded. */
export class GaveUp extends Error {
  override readonly name = 'GaveUp'
}

export interface Persisted<T> {
  readonly value: T
  /** An earlier try failed, but may have taken effect: its response may be lost. */
  readonly retried: boolean
}

interface PersistContext {
  readonly events: TaskEvents
  readonly giveUp: AbortSignal
}

/** Repeats a fenced write until it succeeds, which changes nothing twice. Throws permanent errors. */
export async function persist<T>(
  what: string,
  write: () => Promise<T>,
  context: PersistContext,
): Promise<Persisted<T>> {
  try {
    return { value: await write(), retried: false }
  } catch (error) {
    return repeat(what, write, context, error)
  }
}

async function repeat<T>(
  what: string,
  write: () => Promise<T>,
  { events, giveUp }: PersistContext,
  failure: unknown,
): Promise<Persisted<T>> {
  if (!isTransient(failure)) throw failure
  const id = Symbol(what)
  events.emit('writeDelayed', { write: id, what, error: failure })
  const end = (as: TaskEventMap['writeEnded'][0]['as']) => events.emit('writeEnded', { write: id, what, as })
  for (let failures = 1, cause = failure; ; failures += 1) {
    await pause(backoffMs(failures), giveUp)
    if (giveUp.aborted) {
      end('given up')
      throw new GaveUp(`${what} could not be written before the deadline`, { cause })
    }
    try {
      const value = await write()
      end('written')
      return { value, retried: true }
    } catch (error) {
      if (!isTransient(error)) {
        end('refused')
        throw error
      }
      cause = error
    }
  }
}
