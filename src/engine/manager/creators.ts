import { partsOf } from '../create/manager-parts.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import * as store from '../store/read.ts'

/** Resolves to those of the tasks that this user created. Not a method: it is for the routes, not for hosts. */
export async function findCreatedBy(
  manager: object,
  taskIds: readonly string[],
  createdBy: string,
): Promise<ReadonlySet<string>> {
  const possible = taskIds.filter((taskId) => TASK_ID.test(taskId))
  return possible.length === 0 ? new Set() : store.findCreatedBy(partsOf(manager).db, possible, createdBy)
}
