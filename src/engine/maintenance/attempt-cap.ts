import { MAX_SHOWN_ATTEMPTS } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { trimAttempts } from '../store/trim.ts'

const CHECK_EVERY_ATTEMPTS = 100

/** Keeps the attempts of a task that are shown, and fewer than a hundred more. Never fails: a later attempt does the rest. */
export async function capAttempts(
  { db, events }: { readonly db: Database; readonly events: TaskEvents },
  { taskId, attempt }: { readonly taskId: string; readonly attempt: number },
): Promise<void> {
  if (attempt <= MAX_SHOWN_ATTEMPTS || attempt % CHECK_EVERY_ATTEMPTS !== 0) return
  try {
    await trimAttempts(db, taskId, attempt - MAX_SHOWN_ATTEMPTS)
  } catch (error) {
    if (!isTransient(error)) events.emit('writeFailed', { what: 'the cap of attempts', error })
  }
}
