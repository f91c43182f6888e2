import { type CallersTransaction, requireTransaction, runIn } from '../../db/query-runner.ts'
import { type Fence, fenceValues, HOLDS_FENCE } from './fence.ts'
import { COMPLETE_ONE, completionValues, type LastProgress } from './finish.ts'
import { TASKS } from './tables.ts'

// Makes a cancel, rescue or timeout wait for the caller's transaction. Does not conflict with the key-share locks of
// log lines and params.
const GUARD = `select 1 as held from ${TASKS} where ${HOLDS_FENCE} for no key update`

const GUARD_FREE = `${GUARD} skip locked`

const LIMIT_LOCK_WAIT = `with before as materialized (select current_setting('lock_timeout') as value)
     select value, set_config('lock_timeout', $1, true) from before`

/**
 * As `guardFence`, for the transaction of a step, which may wait for one of its own handler: waits for the row's lock no
 * longer than `responseTimeoutMs`.
 *
 * @throws an error with the code `LOCK_NOT_AVAILABLE`
 */
export async function guardStep(
  on: CallersTransaction,
  fence: Fence,
  responseTimeoutMs: number,
): Promise<boolean> {
  const run = (text: string, values: unknown[], waitMs = 0) =>
    runIn(on, text, values, responseTimeoutMs + waitMs)
  await requireTransaction(on)
  if ((await run(GUARD_FREE, fenceValues(fence))).length > 0) return true
  const [before] = (await run(LIMIT_LOCK_WAIT, [`${responseTimeoutMs}ms`])) as { value: string }[]
  const isHeld = (await run(GUARD, fenceValues(fence), responseTimeoutMs)).length > 0
  await run(LIMIT_LOCK_WAIT, [before?.value])
  return isHeld
}

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
