import type { Database } from '../../db/database.ts'
import { isGloballyLimited, type TypeLimits } from '../definition/limits.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import type { ClaimRequest, ClaimResult } from '../store/claim.ts'
import { waitsSinceBefore } from '../store/claim-probe.ts'

/** A claim that is slower and finds little is reading dead index entries. */
const CHEAP_MS = 5

/** Probes for older tasks take at most a fiftieth of the time. */
const PROBE_SHARE = 50

const MAX_RETRY_PROBE_MS = 10_000

/** After this long without a claimed task, a claim of all due tasks replaces the probe. */
const BUSY_MS = 1_000

/** Rows become visible when their transaction commits, which may be after they are due. */
const OVERLAP_MS = 2_000

export interface ClaimHorizonOptions {
  readonly db: Database
  readonly types: readonly TypeLimits[]
  /** Whether claims may read recently due tasks only. */
  readonly mayReadRecent: boolean
  readonly wakeUp: Pick<WakeUp, 'notify'>
}

/**
 * The instant from which claims read due tasks. An open transaction keeps dead entries at the front of the index, and
 * every claim reads them. So while such claims are slow, they read recently due tasks only, and a probe checks from
 * time to time for older ones. Types with a limit over all processes are always read in full.
 */
export class ClaimHorizon {
  readonly #options: ClaimHorizonOptions
  /** Of each type, the database time up to which everything has been read, in milliseconds; null: unknown. */
  readonly #since: (number | null)[]
  #readsRecent = false
  #nextProbe = 0
  #probe: Promise<void> | undefined
  #lastTaken = Number.NEGATIVE_INFINITY
  #lastFullMs = 0
  /** Rises when older tasks may have become claimable: results of earlier claims and probes are stale. */
  #epoch = 0

  constructor(options: ClaimHorizonOptions) {
    this.#options = options
    this.#since = options.types.map(() => null)
  }

  get epoch(): number {
    return this.#epoch
  }

  since(): (string | null)[] {
    return this.#since.map((ms) => (this.#readsRecent && ms !== null ? instantOf(ms) : null))
  }

  reset(): void {
    this.#readAll()
    this.#epoch += 1
  }

  noteTaken(): void {
    this.#lastTaken = performance.now()
  }

  record(request: ClaimRequest, result: ClaimResult, costMs: number, epoch: number): void {
    if (epoch !== this.#epoch || result.tasks.length === request.limit) return
    if (request.since.every((since) => since === null)) this.#noteFullCost(costMs)
    if (!this.#readsRecent) return
    this.#options.types.forEach((type, i) => {
      const capacity = request.capacity[i] ?? Number.POSITIVE_INFINITY
      const taken = result.tasks.filter(({ taskType }) => taskType === type.taskType).length
      if (!isGloballyLimited(type) && taken < capacity) this.#since[i] = result.at - OVERLAP_MS
    })
  }

  /** Before each claim: starts a probe if it is time for one, or makes this claim read all due tasks. */
  probe(): void {
    const now = performance.now()
    if (!this.#readsRecent || this.#probe || now < this.#nextProbe) return
    const types = this.#options.types.flatMap(({ taskType }, i) => {
      const since = this.#since[i] ?? null
      return since === null ? [] : { taskType, since: instantOf(since) }
    })
    if (types.length === 0 || now - this.#lastTaken > BUSY_MS) this.#readsRecent = false
    else this.#probe = this.#probeFor(types).finally(() => (this.#probe = undefined))
  }

  async whenProbed(): Promise<void> {
    await this.#probe
  }

  async #probeFor(types: readonly { taskType: string; since: string }[]): Promise<void> {
    const epoch = this.#epoch
    const begun = performance.now()
    try {
      const waits = await waitsSinceBefore(this.#options.db, types)
      if (epoch !== this.#epoch) return
      if (!waits) return this.#noteFullCost(performance.now() - begun)
      this.#readAll()
      this.#options.wakeUp.notify()
    } catch {
      // Claims report outages. A probe that fails alone, as by a timeout, must not stop them.
      const now = performance.now()
      this.#nextProbe = now + Math.min(PROBE_SHARE * (now - begun), MAX_RETRY_PROBE_MS)
    }
  }

  #noteFullCost(costMs: number): void {
    // The smaller of the last two costs: one slow claim alone changes nothing.
    const cost = Math.min(costMs, this.#lastFullMs)
    this.#lastFullMs = costMs
    this.#readsRecent = cost >= CHEAP_MS && this.#options.mayReadRecent
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
