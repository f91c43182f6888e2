import { toError } from './errors.ts'
import type { WatchConnection } from './follow.ts'
import { isHidden, onVisibility } from './visibility.ts'

/** A tab that is hidden for a moment, or a component that is moved, keeps the connection. */
const GRACE_MS = 100

export interface Known {
  /** Why nothing is known, or why it is followed no more. */
  readonly error: Error | undefined
  /** `idle`: not followed, as all is known, the tab is hidden, or no component needs it. */
  readonly connection: WatchConnection | 'idle'
}

export interface Interest {
  readonly onChange: () => void
}

/**
 * What is known of a task, a list or all tasks, for those that show it, and when the server is asked for it:
 *
 *     resting ─ wanted ─▶ working ─ returned ─▶ over ─ restart ─▶ resting
 *        ▲                 │   └──── threw ───▶ refused ─ restart, a new interest, or the tab shown again ─▶ resting
 *        └── not wanted ───┘
 *
 * It is wanted while there is an interest and the tab is visible.
 */
export abstract class Store<State extends Known, Wanted extends Interest = Interest> {
  protected readonly interests = new Set<Wanted>()
  #snapshot: State
  #state: 'resting' | 'working' | 'over' | 'refused' = 'resting'
  #running = new AbortController()
  #grace: ReturnType<typeof setTimeout> | undefined
  #unwatchTab: (() => void) | undefined

  constructor(snapshot: State) {
    this.#snapshot = snapshot
  }

  get snapshot(): State {
    return this.#snapshot
  }

  /** Asks the server until all is known. What it throws is final: transient failures are its own to outlast. */
  protected abstract work(signal: AbortSignal): Promise<void>

  /** It works no more: all is known, it was refused, or it is not wanted. */
  protected rest(): void {
    this.set({ connection: 'idle' })
  }

  /** The last interest was given up. */
  protected abandon(): void {}

  protected get isWanted(): boolean {
    return this.interests.size > 0 && !isHidden()
  }

  protected set(change: Partial<State> | Partial<Known>): void {
    this.#snapshot = { ...this.#snapshot, ...change }
    for (const { onChange } of this.interests) onChange()
  }

  /** Returns a function that gives the interest up again. */
  enter(interest: Wanted): () => void {
    this.interests.add(interest)
    this.#unwatchTab ??= onVisibility(() => this.#reconsider())
    this.#reconsider()
    return () => {
      if (this.interests.delete(interest)) this.#update()
    }
  }

  /** Starts anew where it works no more. */
  resume(): void {
    if (this.#state === 'over' || this.#state === 'refused') this.restart()
  }

  /** Stops what is under way and starts anew. */
  protected restart(): void {
    this.#running.abort()
    this.#state = 'resting'
    this.#update()
  }

  /** A user who was refused may have logged in meanwhile. */
  #reconsider(): void {
    if (this.#state === 'refused' && this.isWanted) this.#state = 'resting'
    this.#update()
  }

  #update(): void {
    clearTimeout(this.#grace)
    if (!this.isWanted) this.#grace = setTimeout(() => this.#stop(), GRACE_MS)
    else if (this.#state === 'resting') void this.#work()
  }

  #stop(): void {
    this.#running.abort()
    const isAbandoned = this.interests.size === 0
    // The next interest is in what is so then.
    if (isAbandoned || this.#state === 'working') this.#state = 'resting'
    this.rest()
    if (!isAbandoned) return
    this.#unwatchTab?.()
    this.#unwatchTab = undefined
    this.abandon()
  }

  async #work(): Promise<void> {
    this.#state = 'working'
    this.#running = new AbortController()
    const { signal } = this.#running
    try {
      await this.work(signal)
      if (signal.aborted) return
      this.#state = 'over'
    } catch (error) {
      if (signal.aborted) return
      this.#state = 'refused'
      this.set({ error: toError(error) })
    }
    this.rest()
  }
}
