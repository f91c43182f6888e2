import { codeOf } from '../../db/errors.ts'
import type { TaskEvents } from './events.ts'
import { GaveUp, persist } from './persist.ts'

interface Context {
  readonly events: TaskEvents
  readonly giveUp: AbortSignal
}

/** SQLSTATEs caused by the written values; any other error affects all items. */
const DATA_ERROR = /^(22|23|44|54|P0)/

/**
 * For output: a write that fails permanently must not keep a task from ending. It is discarded and reported. Halves of a
 * refused batch are retried until the bad item is alone.
 */
export async function persistEachOrDiscard<Item, T>(
  what: string,
  items: readonly Item[],
  write: (items: readonly Item[]) => Promise<T>,
  context: Context,
): Promise<T[]> {
  const written: T[] = []
  let refusal: { error: unknown } | undefined
  for (const batches = [items]; batches.length > 0; ) {
    const batch = batches.shift() ?? []
    try {
      written.push((await persist(what, () => write(batch), context)).value)
    } catch (error) {
      if (error instanceof GaveUp) throw error
      const half = Math.ceil(batch.length / 2)
      if (batch.length > 1 && DATA_ERROR.test(codeOf(error) ?? '')) {
        batches.unshift(batch.slice(0, half), batch.slice(half))
      } else refusal ??= { error }
    }
  }
  if (refusal) context.events.emit('writeFailed', { what, error: refusal.error })
  return written
}
