import type { QueryRunner } from '../context.ts'
import { type Fence, fenceValues, HOLDS_FENCE } from './fence.ts'

// The lock makes a cancel, a rescue or a late timeout wait until the caller's transaction has ended; it does not
// conflict with the key-share lock that log lines and params take.
const GUARD = `select 1 as held from async_tasks where ${HOLDS_FENCE} for no key update`

/** Checks and locks the fence inside the caller's transaction. */
export async function guardFence(tx: QueryRunner, fence: Fence): Promise<boolean> {
  const { rows } = await tx.query(GUARD, fenceValues(fence))
  return rows.length > 0
}
