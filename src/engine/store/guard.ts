import { type CallersTransaction, requireTransaction, runIn } from '../../db/query-runner.ts'
import { type Fence, fenceValues, HOLDS_FENCE } from './fence.ts'
import { COMPLETE_ONE, completionValues, type LastProgress } from './finish.ts'
import { TASKS } from './tables.ts'

// Makes a cancel, rescue or timeout wait for the caller's transaction. Does not conflict with the key-share locks of
// log lines and params.
const GUARD = `select 1 as held from ${TASKS} where ${HOLDS_FENCE} for no key update`

export async function guardFence(on: CallersTransaction, fence: Fence): Promise<boolean> {
  await requireTransaction(on)
  return (await runIn(on, GUARD, fenceValues(fence))).length > 0
}

export async function completeInTransaction(
  on: CallersTransaction,
  fence: Fence,
  result: string | null,
  last: LastProgress | undefined,
): Promise<boolean> {
  await requireTransaction(on)
  return (await runIn(on, COMPLETE_ONE, completionValues(fence, result, last))).length > 0
}
