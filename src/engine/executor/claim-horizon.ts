import type { Database } from '../../db/database.ts'
import { isLimited, type TypeLimits } from '../definition/limits.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import type { ClaimRequest, ClaimResult } from '../store/claim.ts'
import { waitsSinceBefore } from '../store/claim-probe.ts'

/** A claim that takes longer than this and finds little reads dead index entries. */
const CHEAP_MS = 5

/** While claims read recent tasks only, probes for older ones take at most a fiftieth of the time. */
const PROBE_SHARE = 50

/** Longest pause before a failed probe is repeated. */
const MAX_RETRY_PROBE_MS = 10_000

/** After this long without a claimed task a slow claim delays no one: it reads everything and replaces the probe. */
const BUSY_MS = 1_000

/** How far claims of recent tasks reach back: a row becomes visible when its transaction commits, not when it is due. */
const OVERLAP_MS = 2_000

/**
 * The instant from which claims read due tasks. A transaction that stays open keeps dead entries at the front of the
 * index, and a claim that starts there reads all of them. So once claims that find little take long, they read recently
 * due tasks only, and a probe beside them checks from time to time whether an older task waits.
 */
export class ClaimHorizon {
  readonly #db: Database
  readonly #types: readonly TypeLimits[]
  readonly #wakeUp: Pick<WakeUp, 'notify'>
  /** False where claims cannot be bounded by an instant. */
  readonly #isBounded: boolean
  /** Of each type, the instant before which everything has been read; null: not everything has. Database milliseconds. */
  readonly #since: (number | null)[]
  #readsRecent = false
  #nextProbe = 0
  #probe: Promise<void> | undefined
  #lastTaken = Number.NEGATIVE_INFINITY
  #lastFullMs = 0
  /** Rises when old tasks may have become claimable: a claim or probe in flight may not have seen them. */
  #epoch = 0

  constructor(options: {
    db: Database
    types: readonly TypeLimits[]
    isBounded: boolean
    wakeUp: Pick<WakeUp, 'notify'>
  }) {
    this.#db = options.db
    this.#types = options.types
    this.#isBounded = options.isBounded
    this.#wakeUp = options.wakeUp
    this.#since = options.types.map(() => null)
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Of each type, the instant that the next claim reads from; null: from the first due task. */
  since(): (string | null)[] {
    return this.#since.map((ms) => (this.#readsRecent && ms !== null ? instantOf(ms) : null))
  }

  /** Old tasks may have become claimable. */
  reset(): void {
    this.#readAll()
    this.#epoch += 1
  }

  noteTaken(): void {
    this.#lastTaken = performance.now()
  }

  /** What a claim of unlimited types cost, and which types it has read completely. */
  record(request: ClaimRequest, result: ClaimResult, costMs: number, epoch: number): void {
    if (epoch !== this.#epoch || result.tasks.length === request.limit) return
    if (request.since.every((since) => since === null)) this.#noteFullCost(costMs)
    if (!this.#readsRecent) return
    this.#types.forEach((type, i) => {
      const capacity = request.capacity[i] ?? Number.POSITIVE_INFINITY
      const taken = result.tasks.filter(({ taskType }) => taskType === type.taskType).length
      if (!isLimited(type) && taken < capacity) this.#since[i] = result.at - OVERLAP_MS
    })
  }

  /** Starts a probe for older tasks when one is due. */
  probe(): void {
    const now = performance.now()
    if (!this.#readsRecent || this.#probe || now < this.#nextProbe) return
    const types = this.#types.flatMap(({ taskType }, i) => {
      const since = this.#since[i] ?? null
      return since === null ? [] : { taskType, since: instantOf(since) }
    })
    if (types.length === 0 || now - this.#lastTaken > BUSY_MS) this.#readsRecent = false
    else this.#probe = this.#probeFor(types).finally(() => (this.#probe = undefined))
  }

  /** Resolves when no probe is in flight. */
  async whenIdle(): Promise<void> {
    await this.#probe
  }

  async #probeFor(types: readonly { taskType: string; since: string }[]): Promise<void> {
    const epoch = this.#epoch
    const begun = performance.now()
    try {
      const waits = await waitsSinceBefore(this.#db, types)
      if (epoch !== this.#epoch) return
      if (!waits) return this.#noteFullCost(performance.now() - begun)
      this.#readAll()
      this.#wakeUp.notify()
    } catch {
      // The claims beside it report an outage. A probe that fails alone, as by a time limit, must not stop them.
      const now = performance.now()
      this.#nextProbe = now + Math.min(PROBE_SHARE * (now - begun), MAX_RETRY_PROBE_MS)
    }
  }

  #noteFullCost(costMs: number): void {
    // The smaller of two, so that one short delay changes nothing.
    const cost = Math.min(costMs, this.#lastFullMs)
    this.#lastFullMs = costMs
    this.#readsRecent = cost >= CHEAP_MS && this.#isBounded
    this.#nextProbe = performance.now() + PROBE_SHARE * cost
  }

  #readAll(): void {
    this.#readsRecent = false
    this.#since.fill(null)
  }
}

function instantOf(ms: number): string {
  return new Date(ms).toISOString()
}
