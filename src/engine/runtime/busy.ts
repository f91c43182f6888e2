import { codeOf, DEADLOCK, LOCK_NOT_AVAILABLE } from '../../db/errors.ts'
import { TaskError, type TaskErrorCode } from '../definition/errors.ts'

/** Runs a write that waits for a locked row until its lock timeout. @throws TaskError `code` */
export async function orBusy<T>(
  code: Extract<TaskErrorCode, 'TASK_BUSY' | 'TASK_TYPE_BUSY' | 'SCHEDULE_BUSY'>,
  what: string,
  write: Promise<T>,
): Promise<T> {
  try {
    return await write
  } catch (error) {
    const reason = codeOf(error)
    if (reason !== LOCK_NOT_AVAILABLE && reason !== DEADLOCK) throw error
    const detail = `a transaction that has not ended holds ${what}: nothing has been changed; try again later`
    throw new TaskError(code, detail)
  }
}
