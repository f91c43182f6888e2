import { toError } from './errors.ts'
import { isHidden, onVisibility } from './visibility.ts'

/** A tab that is hidden for a moment, or a component that is moved, keeps the connection. */
const GRACE_MS = 100

export interface ActivityParts {
  /** Asks the server until all is known. What it throws is final: transient failures are its own to outlast. */
  readonly work: (signal: AbortSignal) => Promise<void>
  readonly onRefused: (error: Error) => void
  /** It works no more: all is known, it was refused, or it is not wanted. */
  readonly onRest: () => void
  /** The last listener has left. */
  readonly onUnused?: () => void
}

/**
 * Decides when the server is asked, the same for one task, a list and all tasks:
 *
 *     resting ─ wanted ─▶ working ─ returned ─▶ over ─ restart ─▶ resting
 *        ▲                 │   └──── threw ───▶ refused ─ restart, a new listener, or the tab shown again ─▶ resting
 *        └── not wanted ───┘
 *
 * It is wanted while it has a listener and the tab is visible.
 */
export class Activity<Listener> {
  readonly listeners = new Set<Listener>()
  readonly #parts: ActivityParts
  #state: 'resting' | 'working' | 'over' | 'refused' = 'resting'
  #running = new AbortController()
  #grace: ReturnType<typeof setTimeout> | undefined
  #unwatchTab: (() => void) | undefined

  constructor(parts: ActivityParts) {
    this.#parts = parts
  }

  get isWanted(): boolean {
    return this.listeners.size > 0 && !isHidden()
  }

  /** Returns a function that removes the listener again. */
  enter(listener: Listener): () => void {
    this.listeners.add(listener)
    this.#unwatchTab ??= onVisibility(() => this.#reconsider())
    this.#reconsider()
    return () => {
      if (this.listeners.delete(listener)) this.#update()
    }
  }

  /** Starts anew where it works no more. */
  resume(): void {
    if (this.#state === 'over' || this.#state === 'refused') this.restart()
  }

  /** Starts anew, whatever it was doing. */
  restart(): void {
    this.#running.abort()
    this.#state = 'resting'
    this.#update()
  }

  /** Whoever was refused may have logged in meanwhile. */
  #reconsider(): void {
    if (this.#state === 'refused' && this.isWanted) this.#state = 'resting'
    this.#update()
  }

  #update(): void {
    clearTimeout(this.#grace)
    if (!this.isWanted) this.#grace = setTimeout(() => this.#rest(), GRACE_MS)
    else if (this.#state === 'resting') void this.#work()
  }

  #rest(): void {
    this.#running.abort()
    const isUnused = this.listeners.size === 0
    // Whoever comes next wants to know what is so then.
    if (isUnused || this.#state === 'working') this.#state = 'resting'
    this.#parts.onRest()
    if (!isUnused) return
    this.#unwatchTab?.()
    this.#unwatchTab = undefined
    this.#parts.onUnused?.()
  }

  async #work(): Promise<void> {
    this.#state = 'working'
    this.#running = new AbortController()
    const { signal } = this.#running
    try {
      await this.#parts.work(signal)
      if (signal.aborted) return
      this.#state = 'over'
    } catch (error) {
      if (signal.aborted) return
      this.#state = 'refused'
      this.#parts.onRefused(toError(error))
    }
    this.#parts.onRest()
  }
}
