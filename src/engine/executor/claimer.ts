import type { Database } from '../../db/database.ts'
import { isLimited, type TypeLimits } from '../definition/limits.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import {
  type ClaimAnswer,
  type ClaimedTask,
  type ClaimRequest,
  Claims,
  type TypeClaims,
  waitsSinceBefore,
} from '../store/claim.ts'
import { MANY_TYPES, ManyTypeClaims } from '../store/claim-many.ts'
import type { Slots } from './slots.ts'

/** A claim that takes longer, with nothing more to take, walks dead index entries. */
const CHEAP_MS = 5

/** Once claims ask for the latest alone, looks at what they leave out take no more than a fiftieth of the time. */
const THINNING = 50

/** Until another look where one has failed, at most. */
const MAX_LOOK_AGAIN_MS = 10_000

/** Where no task was taken for so long, a slow claim holds up nothing: it is the look. */
const BUSY_MS = 1_000

/** How far claims that look at the latest alone reach back: a row becomes visible when its transaction commits. */
const LOOK_BACK_MS = 2_000

/** How long a limited type that was not next in the order is left out: its claim costs a transaction. */
const NOT_NEXT_MS = 50

/** Until a look after tasks that ended where few come. */
const LOOK_AFTER_MS = 50

/** `now`: more is likely. `soon`: what another claim held may be free in a moment. */
export type NextClaim = 'now' | 'soon' | 'later'

export interface Claimed {
  readonly tasks: readonly ClaimedTask[]
  readonly next: NextClaim
}

export interface ClaimerOptions {
  readonly db: Database
  readonly executorId: string
  readonly types: readonly TypeLimits[]
  readonly slots: Slots
  readonly pollIntervalMs: number
  /** Of these types a task ended here and none was taken instead, although some wait: others may have slots. */
  onRoomLeft(taskTypes: readonly string[]): void
  /** For when a claim may take something. */
  readonly wakeUp: Pick<WakeUp, 'notify' | 'notifyAfter'>
}

/**
 * Decides what a claim asks for.
 *
 * Types with a limit over all processes take part, in the order of all types, once a plain claim has seen due tasks of
 * them, or when one of their tasks has ended here. A claim under their lock takes what there is room for; then they are
 * left out until a task of theirs ends, somebody says that anything may have changed, or a poll interval has passed. So
 * no type starves another, and whoever has no such types never pays for them.
 *
 * A transaction that somebody holds open keeps dead entries in the index. When a claim that finds little takes long,
 * only tasks that became due lately are asked for. Whether older ones wait after all is looked for now and then, beside
 * the claims, so that none of them takes long, and for a bounded share of time.
 */
export class Claimer {
  readonly #options: ClaimerOptions
  readonly #claims: TypeClaims
  readonly #types: ReadonlyMap<string, TypeLimits>
  /** Positions of the types that have a limit in this process. */
  readonly #counted: readonly number[]
  readonly #hasMany: boolean
  readonly #limited: ReadonlySet<string>
  /** Limited types that may have both room and due tasks. */
  readonly #open = new Set<string>()
  /** Rows that this executor does not take may be locked by its claims for a moment, and other claims pass them over. */
  readonly mayHideRows: boolean
  /** When limited types that had no room, or were not next, may be opened again. */
  readonly #closedUntil = new Map<string, number>()
  /** Limited types of which a task ended here since they were last claimed. */
  readonly #ended = new Set<string>()
  /** Of each type: what became due before has been seen. Null: not all of it. Milliseconds, by the database's clock. */
  readonly #since: (number | null)[]
  /** Claims ask for the latest alone. */
  #isRecent = false
  #nextLook = 0
  #look: Promise<void> | undefined
  #lastTaken = Number.NEGATIVE_INFINITY
  /** The last claim took one task at most, and there was room for more. */
  #foundFew = false
  #willLook = false
  #lastFullMs = 0
  /** Rises when old tasks may have become claimable: what a claim under way has seen is not everything then. */
  #age = 0
  /** Rises when tasks may have come, or room: a claim under way may not have seen them. */
  #hints = 0

  constructor(options: ClaimerOptions) {
    const { db, executorId, types } = options
    this.#options = options
    this.#hasMany = types.length > MANY_TYPES
    this.#claims = new (this.#hasMany ? ManyTypeClaims : Claims)(db, executorId, types)
    this.#types = new Map(types.map((type) => [type.taskType, type]))
    this.#counted = types.flatMap(({ concurrency }, i) => (concurrency === null ? [] : i))
    this.mayHideRows = types.some((type) => type.concurrency !== null && !isLimited(type))
    this.#limited = new Set(types.filter(isLimited).map(({ taskType }) => taskType))
    this.#since = types.map(() => null)
  }

  /** It has a limit over all processes. */
  isLimited(taskType: string): boolean {
    return this.#limited.has(taskType)
  }

  /** A free slot is all that a task of this type needs. */
  isUnlimited(taskType: string): boolean {
    const type = this.#types.get(taskType)
    return type !== undefined && type.concurrency === null && !isLimited(type)
  }

  /** A task of this type has ended here: there is room for another one. */
  noteEnd(taskType: string): void {
    if (!this.#limited.has(taskType)) return
    this.#ended.add(taskType)
    this.#open.add(taskType)
  }

  /**
   * A slot is free again. That alone is worth a claim where none was free, where its type has a limit, and where tasks
   * come faster than others tell of them: then more have come since. Otherwise what was due has been taken, and a claim
   * would be in the way of the next task; one for many a moment later finds what nobody told of.
   */
  noteFreed(taskType: string, wasFull: boolean): void {
    const { wakeUp } = this.#options
    if (wasFull || !this.#foundFew || !this.isUnlimited(taskType)) wakeUp.notify()
    else if (!this.#willLook) {
      this.#willLook = true
      wakeUp.notifyAfter(LOOK_AFTER_MS, () => {
        this.#willLook = false
      })
    }
  }

  /** Tasks may have come, or room. */
  lookAgain(): void {
    this.#closedUntil.clear()
    this.#hints += 1
  }

  /** A task of this type may have become due. */
  lookAgainAt(taskType: string): void {
    this.#closedUntil.delete(taskType)
    this.#hints += 1
  }

  /** Old tasks may have become claimable. */
  lookAtEverything(): void {
    this.lookAgain()
    this.#askForAll()
    this.#age += 1
  }

  async claim(limit: number): Promise<Claimed> {
    this.#lookBehind()
    const request = this.#request(limit)
    const open = new Set([...this.#open].filter((taskType) => this.#placesOf(taskType) !== 0))
    const claimed = await (open.size > 0 ? this.#claimLimited(request, open) : this.#claimPlain(request))
    if (claimed.tasks.length > 0) this.#lastTaken = performance.now()
    this.#foundFew = claimed.tasks.length < Math.min(limit, 2)
    return claimed
  }

  /** Resolves when no look is under way beside the claims. */
  async whenIdle(): Promise<void> {
    await this.#look
  }

  async #claimPlain(request: ClaimRequest): Promise<Claimed> {
    const age = this.#age
    const begun = performance.now()
    const answer = await this.#claims.claim(request)
    const now = performance.now()
    if (age === this.#age) this.#noteCost(request, answer, now - begun)
    const opened = answer.waiting.filter(
      (taskType) => this.#placesOf(taskType) !== 0 && (this.#closedUntil.get(taskType) ?? 0) <= now,
    )
    for (const taskType of opened) this.#open.add(taskType)
    const moreIsLikely = isFullAnswer(request, answer) || opened.length > 0
    return { tasks: answer.tasks, next: moreIsLikely ? 'now' : 'later' }
  }

  async #claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<Claimed> {
    const ended = new Set(this.#ended)
    const hints = this.#hints
    for (const taskType of open) this.#ended.delete(taskType)
    const answer = await this.#claims.claimLimited(request, open)
    const now = performance.now()
    const taken = new Set(answer.tasks.map(({ taskType }) => taskType))
    const isFull = isFullAnswer(request, answer)
    const { pollIntervalMs, onRoomLeft } = this.#options
    const roomLeft: string[] = []
    for (const taskType of answer.asked ?? open) {
      if (answer.busy.includes(taskType)) {
        if (ended.has(taskType)) this.#ended.add(taskType)
        continue
      }
      if (taken.has(taskType) && isFull) continue
      // Otherwise it got what there was, or others came first and took every slot.
      if (!this.#ended.has(taskType)) this.#open.delete(taskType)
      const closedMs = isFull ? NOT_NEXT_MS : pollIntervalMs
      if (hints === this.#hints) this.#closedUntil.set(taskType, now + closedMs)
      const isWaiting = answer.waiting.includes(taskType)
      if (ended.has(taskType) && !taken.has(taskType) && isWaiting) roomLeft.push(taskType)
    }
    if (roomLeft.length > 0) onRoomLeft(roomLeft)
    return { tasks: answer.tasks, next: isFull ? 'now' : answer.busy.length > 0 ? 'soon' : 'later' }
  }

  /** Free places of a type in this process; null: any number. */
  #placesOf(taskType: string): number | null {
    const concurrency = this.#types.get(taskType)?.concurrency ?? null
    return concurrency === null ? null : Math.max(0, concurrency - this.#options.slots.count(taskType))
  }

  #request(limit: number): ClaimRequest {
    const { types } = this.#claims
    const places = types.map((): number | null => null)
    for (const i of this.#counted) places[i] = this.#placesOf(types[i]?.taskType ?? '')
    const since = this.#since.map((ms) => (this.#isRecent && ms !== null ? instantOf(ms) : null))
    const now = performance.now()
    const closed = [...this.#closedUntil].filter(
      ([taskType, until]) => until > now && !this.#open.has(taskType),
    )
    return { limit, places, since, closed: closed.map(([taskType]) => taskType) }
  }

  /** What a claim has seen of each type when it took fewer tasks than it might have, and what that cost. */
  #noteCost(request: ClaimRequest, answer: ClaimAnswer, costMs: number): void {
    if (answer.tasks.length === request.limit) return
    if (request.since.every((since) => since === null)) this.#noteFullCost(costMs)
    if (!this.#isRecent) return
    this.#claims.types.forEach((type, i) => {
      const places = request.places[i] ?? Number.POSITIVE_INFINITY
      const taken = answer.tasks.filter(({ taskType }) => taskType === type.taskType).length
      if (!isLimited(type) && taken < places) this.#since[i] = answer.at - LOOK_BACK_MS
    })
  }

  #noteFullCost(costMs: number): void {
    // Of two, so that a moment's delay counts for nothing.
    const cost = Math.min(costMs, this.#lastFullMs)
    this.#lastFullMs = costMs
    this.#isRecent = cost >= CHEAP_MS && !this.#hasMany
    this.#nextLook = performance.now() + THINNING * cost
  }

  #askForAll(): void {
    this.#isRecent = false
    this.#since.fill(null)
  }

  /** When it is time: whether anything waits that claims of the latest leave out. Then they ask for all again. */
  #lookBehind(): void {
    const now = performance.now()
    if (!this.#isRecent || this.#look || now < this.#nextLook) return
    const types = this.#claims.types.flatMap(({ taskType }, i) => {
      const since = this.#since[i] ?? null
      return since === null ? [] : { taskType, since: instantOf(since) }
    })
    if (types.length === 0 || now - this.#lastTaken > BUSY_MS) this.#isRecent = false
    else this.#look = this.#lookFor(types).finally(() => (this.#look = undefined))
  }

  async #lookFor(types: readonly { taskType: string; since: string }[]): Promise<void> {
    const age = this.#age
    const begun = performance.now()
    try {
      const isOverlooked = await waitsSinceBefore(this.#options.db, types)
      if (age !== this.#age) return
      if (!isOverlooked) return this.#noteFullCost(performance.now() - begun)
      this.#askForAll()
      this.#options.wakeUp.notify()
    } catch {
      // Of an outage the claims beside it tell. Where looks alone fail, as they take longer, the latest tasks are to start.
      const now = performance.now()
      this.#nextLook = now + Math.min(THINNING * (now - begun), MAX_LOOK_AGAIN_MS)
    }
  }
}

/** It took as many tasks as it asked for. */
function isFullAnswer({ limit }: ClaimRequest, { tasks, isPartial = false }: ClaimAnswer): boolean {
  return tasks.length === limit || (isPartial && tasks.length > 0)
}

function instantOf(ms: number): string {
  return new Date(ms).toISOString()
}
