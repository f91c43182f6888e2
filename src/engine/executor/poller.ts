import type { WakeUp } from '../runtime/wake-up.ts'
import type { Claimed } from './claimer.ts'
import type { Slots } from './slots.ts'

/** Until another look at what a claim elsewhere held: about as long as a claim takes, and then longer each time. */
const SOON_MS = 2
const MAX_SOON_MS = 64

const NOTHING: Claimed = { tasks: [], next: 'later' }

/** Rows one claim takes at most: the knee of the measured throughput. */
const MAX_BATCH = 500

export interface PollerParts {
  readonly slots: Slots
  readonly wakeUp: WakeUp
  readonly pollIntervalMs: number
  /** Other claims may pass over rows for a moment that nobody takes. */
  readonly mayHideRows: boolean
  /** What it answers has been started. */
  claim(limit: number): Promise<Claimed>
  /** Between two claims: what this executor holds is exactly what it should. */
  settleStrays(): Promise<void>
}

/**
 * Decides when to claim, and nothing else: never more than there are free slots; again at once while more is likely;
 * otherwise after the interval, a wake-up or a freed slot. Errors end the loop; the supervisor starts it again with a
 * back-off.
 */
export async function poll(parts: PollerParts, signal: AbortSignal, passed: () => void): Promise<void> {
  const { slots, wakeUp } = parts
  let woken = false
  let soonMs = SOON_MS
  while (!signal.aborted) {
    await parts.settleStrays()
    const limit = Math.min(slots.free, MAX_BATCH)
    const { tasks, next } = limit > 0 ? await parts.claim(limit) : NOTHING
    passed()
    if (next === 'now' && slots.free > 0) continue
    // What the wake-up was about may be locked by a claim that leaves it: one more look.
    const wasHidden = woken && parts.mayHideRows && limit > 0 && tasks.length < limit
    const isSoon = slots.free > 0 && (next === 'soon' || wasHidden)
    woken = await wakeUp.wait(isSoon ? Math.min(soonMs, parts.pollIntervalMs) : parts.pollIntervalMs, signal)
    soonMs = isSoon ? Math.min(2 * soonMs, MAX_SOON_MS) : SOON_MS
  }
}
