import type { TaskSettings } from '../definition/settings.ts'
import type { Slots } from './slots.ts'

/** A half-open connection is noticed this late. */
const MAX_PROOF_MS = 30_000

/**
 * How much less a process sends while it runs nothing and notifications are proven to arrive. Only where the idle poll
 * interval is longer than the poll interval.
 */
export class Rest {
  readonly idlePollIntervalMs: number
  /** Polls read whether anything is due. */
  readonly isAllowed: boolean
  /** Of heartbeats at rest: three a lease are enough for others. */
  readonly heartbeatIntervalMs: number
  /** Notifications are proven to arrive. */
  isListening = false
  readonly #slots: Pick<Slots, 'held'>

  constructor(settings: TaskSettings, slots: Pick<Slots, 'held'>) {
    const { pollIntervalMs, heartbeatIntervalMs, leaseMs } = settings
    this.idlePollIntervalMs = settings.idlePollIntervalMs ?? pollIntervalMs
    this.isAllowed = this.idlePollIntervalMs > pollIntervalMs
    this.heartbeatIntervalMs = this.isAllowed
      ? Math.max(heartbeatIntervalMs, Math.min(2 * heartbeatIntervalMs, Math.floor(leaseMs / 3)))
      : heartbeatIntervalMs
    this.#slots = slots
  }

  /** How often heartbeats prove that notifications arrive; undefined: too seldom. */
  get proofIntervalMs(): number | undefined {
    return this.isResting && this.heartbeatIntervalMs <= MAX_PROOF_MS ? this.heartbeatIntervalMs : undefined
  }

  get isResting(): boolean {
    return this.isAllowed && this.isListening && this.#slots.held === 0
  }
}
