import type { TaskEvents } from '../events.ts'
import { GaveUp, persist } from './persist.ts'

/** For output: what the database refuses for good must not keep a task from ending. It is dropped, and said. */
export async function persistOrDrop<T>(
  what: string,
  write: () => Promise<T>,
  context: { events: TaskEvents; giveUp: AbortSignal },
): Promise<T | undefined> {
  try {
    return (await persist(what, write, context)).value
  } catch (error) {
    if (error instanceof GaveUp) throw error
    context.events.emit('writeFailed', { what, error })
    return undefined
  }
}
