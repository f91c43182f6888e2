import type { ClaimedTask } from '../store/claim.ts'
import type { Slots } from './slots.ts'
import type { WakeUp } from './wake-up.ts'

/** Rows one claim takes at most: the knee of the measured throughput. */
const MAX_BATCH = 500

export interface PollerParts {
  readonly slots: Slots
  readonly wakeUp: WakeUp
  readonly pollIntervalMs: number
  claim(limit: number): Promise<ClaimedTask[]>
  start(task: ClaimedTask): void
  /** Between two claims: what this executor holds is exactly what it should. */
  settleStrays(): Promise<void>
  /** For tasks whose claim was answered after the stop began. */
  handBack(task: ClaimedTask): Promise<void>
}

/**
 * Decides when to claim, and nothing else: never more than there are free slots; again at once after a full
 * batch; otherwise after the interval, a wake-up or a freed slot. Errors end the loop; the supervisor starts it
 * again with a back-off.
 */
export async function poll(parts: PollerParts, signal: AbortSignal, passed: () => void): Promise<void> {
  const { slots, wakeUp } = parts
  while (!signal.aborted) {
    await parts.settleStrays()
    const limit = Math.min(slots.free, MAX_BATCH)
    const claimed = limit > 0 ? await parts.claim(limit) : []
    if (signal.aborted) await Promise.all(claimed.map((task) => parts.handBack(task)))
    else for (const task of claimed) parts.start(task)
    passed()
    const moreIsLikely = limit > 0 && claimed.length === limit && slots.free > 0
    if (!moreIsLikely) await wakeUp.wait(parts.pollIntervalMs, signal)
  }
}
