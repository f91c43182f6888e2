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

/** Repeats a fenced write until it succeeds, which changes nothing twice. Throws permanent errors. */
export async function persist<T>(
  what: string,
  write: () => Promise<T>,
  context: { events: TaskEvents; giveUp: AbortSignal },
): Promise<Persisted<T>> {
  const { events, giveUp } = context
  let id: symbol | undefined
  let failures = 0
  const end = (as: TaskEventMap['writeEnded'][0]['as']) => {
    if (id) events.emit('writeEnded', { write: id, what, as })
  }
  for (;;) {
    try {
      const value = await write()
      end('written')
      return { value, retried: id !== undefined }
    } catch (error) {
      if (!isTransient(error)) {
        end('refused')
        throw error
      }
      failures += 1
      if (!id) {
        id = Symbol(what)
        events.emit('writeDelayed', { write: id, what, error })
      }
      await pause(backoffMs(failures), giveUp)
      if (giveUp.aborted) {
        end('given up')
        throw new GaveUp(`${what} could not be written before the deadline`, { cause: error })
      }
    }
  }
}
