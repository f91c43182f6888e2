import { useCallback, useEffect, useRef, useState } from 'react'
import { TasksApiError } from '../../client/index.ts'

export interface Query<T> {
  readonly data: T | undefined
  readonly error: TasksApiError | undefined
  readonly refetch: () => void
  /** Changes what was read, until the next answer. */
  readonly change: (change: (before: T | undefined) => T | undefined) => void
}

interface Answer<T> {
  readonly key: string
  readonly data: T | undefined
  readonly error: TasksApiError | undefined
}

/** Milliseconds between two readings; null: one is enough. */
type Interval<T> = number | null | ((data: T) => number)

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 15_000

/**
 * Reads again and again, as long as somebody looks: not while the tab is hidden, at once when it is shown again. What
 * was read stays through an outage. `key` names what is read: another one starts afresh; null reads nothing.
 */
export function useQuery<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  options: { everyMs: Interval<T>; keepPrevious?: boolean },
): Query<T> {
  const { everyMs, keepPrevious = false } = options
  const [answer, setAnswer] = useState<Answer<T>>({ key: '', data: undefined, error: undefined })
  const latestLoad = useRef(load)
  latestLoad.current = load
  const trigger = useRef(() => {})

  useEffect(() => {
    if (key === null) return
    const poll = new Poll(
      (signal) => latestLoad.current(signal),
      everyMs,
      (data) => setAnswer({ key, data, error: undefined }),
      (error) => setAnswer((before) => ({ key, data: before.key === key ? before.data : undefined, error })),
    )
    trigger.current = () => poll.now()
    return () => poll.end()
  }, [key, everyMs])

  const change = useCallback(
    (change: (before: T | undefined) => T | undefined) =>
      setAnswer((before) => ({ ...before, data: change(before.data) })),
    [],
  )
  const refetch = useCallback(() => trigger.current(), [])
  const isCurrent = answer.key === key
  return {
    data: isCurrent || keepPrevious ? answer.data : undefined,
    error: isCurrent ? answer.error : undefined,
    refetch,
    change,
  }
}

/** One reading after the other, never two at once. */
class Poll<T> {
  readonly #load: (signal: AbortSignal) => Promise<T>
  readonly #everyMs: Interval<T>
  readonly #onData: (data: T) => void
  readonly #onError: (error: TasksApiError) => void
  readonly #ended = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #isReading = false
  #isWanted = false
  #failures = 0

  constructor(
    load: (signal: AbortSignal) => Promise<T>,
    everyMs: Interval<T>,
    onData: (data: T) => void,
    onError: (error: TasksApiError) => void,
  ) {
    this.#load = load
    this.#everyMs = everyMs
    this.#onData = onData
    this.#onError = onError
    document.addEventListener('visibilitychange', this.#onVisible)
    this.now()
  }

  /** Reads now, or once more when the reading that is under way is done. */
  now(): void {
    if (this.#isReading) this.#isWanted = true
    else void this.#read()
  }

  end(): void {
    this.#ended.abort()
    clearTimeout(this.#timer)
    document.removeEventListener('visibilitychange', this.#onVisible)
  }

  readonly #onVisible = () => {
    if (!document.hidden) this.now()
  }

  async #read(): Promise<void> {
    clearTimeout(this.#timer)
    this.#isReading = true
    this.#isWanted = false
    let pauseMs: number | null
    try {
      const data = await this.#load(this.#ended.signal)
      this.#failures = 0
      if (!this.#ended.signal.aborted) this.#onData(data)
      pauseMs = typeof this.#everyMs === 'function' ? this.#everyMs(data) : this.#everyMs
    } catch (error) {
      if (this.#ended.signal.aborted) return
      if (!(error instanceof TasksApiError)) throw error
      this.#onError(error)
      // What the server refuses, it refuses again; what it could not do, it may do soon.
      const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS)
      this.#failures += 1
      pauseMs = error.status === 0 || error.status >= 500 ? wait : null
    } finally {
      this.#isReading = false
    }
    if (this.#ended.signal.aborted) return
    if (this.#isWanted) this.now()
    else if (pauseMs !== null) this.#timer = setTimeout(() => !document.hidden && this.now(), pauseMs)
  }
}
