import { requireTransaction, runIn, type Transaction } from '../../db/query-runner.ts'
import { type Fence, fenceValues, HOLDS_FENCE } from './fence.ts'
import { COMPLETE_ONE, completionValues, type LastProgress } from './finish.ts'
import { TASKS } from './tables.ts'

/** Statements of a run inside a transaction of the handler's. */

// The lock makes a cancel, a rescue or a late timeout wait until the caller's transaction has ended; it does not
// conflict with the key-share lock that log lines and params take.
const GUARD = `select 1 as held from ${TASKS} where ${HOLDS_FENCE} for no key update`

/** Checks and locks the fence; false when it does not hold. */
export async function guardFence(tx: Transaction, fence: Fence): Promise<boolean> {
  await requireTransaction(tx)
  return (await runIn(tx, GUARD, fenceValues(fence))).length > 0
}

/** Completes the task if and only if the transaction commits; false when the fence does not hold. */
export async function completeInTransaction(
  tx: Transaction,
  fence: Fence,
  result: string | null,
  last: LastProgress | undefined,
): Promise<boolean> {
  await requireTransaction(tx)
  return (await runIn(tx, COMPLETE_ONE, completionValues(fence, result, last))).length > 0
}
