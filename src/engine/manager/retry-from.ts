import { stepName } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import type { ActorOptions } from '../definition/actor.ts'
import { TaskError, taskNotFound } from '../definition/errors.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import type { Redaction } from '../definition/redaction.ts'
import { invalid, START } from '../definition/steps.ts'
import type { RetryFrom } from '../store/operate.ts'
import { findTask } from '../store/read.ts'
import { stepExists } from '../store/steps.ts'

/** Options of `retryTask`. */
export interface RetryOptions extends ActorOptions {
  /**
   * `start`: forgets all steps. The name of a finished step: forgets it and all that finished after it. Default: a failed
   * or cancelled task keeps its steps, a completed one starts anew.
   */
  from?: string
}

/** @throws TaskError `TASK_NOT_FOUND`, `STEP_NOT_FOUND`, `INVALID_ARGUMENT` */
export async function readRetryFrom(
  { db, redaction }: { db: Database; redaction: Redaction },
  taskId: string,
  options: RetryOptions,
): Promise<RetryFrom | undefined> {
  const { from } = options
  if (from === undefined) return undefined
  if (!stepName.safeParse(from).success) {
    throw invalid('from', `from must be "start" or the name of a step, got ${JSON.stringify(from)}`)
  }
  if (from === START) return { step: null }
  const task = TASK_ID.test(taskId) ? await findTask(db, taskId) : undefined
  if (!task) throw taskNotFound(taskId)
  if (await stepExists(db, taskId, from)) return { step: from }
  // A name with a secret in it, as the detail shows it.
  const shown = redaction.hide(task).steps.findIndex(({ name }) => name === from)
  const step = task.steps[shown]?.name
  if (step !== undefined) return { step }
  const detail = `${taskId} has no finished step ${JSON.stringify(from)}`
  throw new TaskError('STEP_NOT_FOUND', detail, { problems: [{ pointer: '/from', detail }] })
}
