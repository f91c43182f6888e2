import { failureWaitMs, invalidResponse, isFinal, TasksApiError, toError } from './errors.ts'
import { EventStreamParser, readMessages, type StreamMessage } from './event-stream.ts'
import { backoffMs, Deadline, pause, untilAborted } from './patience.ts'
import { type Requester, toNetworkError } from './request.ts'

/** The server sends its first event at once; where nothing comes, something on the way holds streams back. */
const FIRST_BYTE_MS = 5_000
/** The server sends a comment every 15 s. */
const SILENCE_MS = 20_000
/** A stream that lasts this long works; one that ends sooner, without news, is a failure. */
const SOUND_AFTER_MS = 10_000
/** While polling: when a stream is tried again. */
const TRY_STREAM_AGAIN_MS = 60_000
const POLL_INTERVAL_MS = 1_000
/** While polls bring nothing new, the interval grows up to this many times. */
const MAX_POLL_FACTOR = 12

/** `live`: by stream; `polling`: streams are blocked; `lost`: the server is unreachable, and the watch reconnects. */
export type WatchConnection = 'connecting' | 'live' | 'polling' | 'lost'

/** Options of a watch. */
export interface WatchAllOptions {
  /** Ends the watch; the iterator then throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds between polls, if streams are blocked; up to 12 times as long while nothing changes. Default 1,000. */
  pollIntervalMs?: number | undefined
  /** Called at every change of the connection, with the error if it is lost. */
  onConnection?: ((connection: WatchConnection, error?: Error) => void) | undefined
}

/** An event, and whether it shows something that was not known before. */
export interface Received<Event> {
  readonly event: Event
  readonly isNews: boolean
}

export interface Signalled {
  readonly signal: AbortSignal
}

/** Where a stream comes from, and what to do without it. */
export interface Source<Event> {
  readonly path: string
  /** Of the next connection. */
  headers(): Record<string, string>
  decode(message: StreamMessage): Received<Event> | undefined
  /** Reads everything once and yields what has changed. */
  poll(signal: AbortSignal): AsyncIterable<Event>
}

interface Parts<Event> {
  readonly requester: Requester
  readonly source: Source<Event>
  readonly signal: AbortSignal
  readonly report: (connection: WatchConnection, error?: Error) => void
}

/** Streams do not work here: another server, or something on the way that does not let them pass. */
class NoStream extends Error {
  override readonly name = 'NoStream'
}

/**
 * A stream that does not end: after a lost connection it is opened again, with back-off, and where streams do not
 * work the source is polled for a while. `'open'` stands before the first event of every connection and of polling.
 */
export async function* follow<Event>(
  requester: Requester,
  source: Source<Event>,
  { signal, onConnection, pollIntervalMs = POLL_INTERVAL_MS }: WatchAllOptions & Signalled,
): AsyncGenerator<Event | 'open', void, undefined> {
  const parts = { requester, source, signal, report: reporter(onConnection) }
  parts.report('connecting')
  let polling: Polling<Event> | undefined
  for (let failures = 0; ; ) {
    if (polling?.isOver) polling = undefined
    const connection = polling ?? new Stream(parts)
    const startedAt = performance.now()
    try {
      yield* connection.read()
      failures = connection.isSound ? 0 : failures + 1
      await pause(connection.restMs(failures), signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof NoStream) {
        polling = new Polling(parts, pollIntervalMs)
        failures = 0
        continue
      }
      if (isFinal(error)) throw error
      failures = connection.isSound ? 1 : failures + 1
      parts.report('lost', toError(error))
      await pause(failureWaitMs(error, failures, startedAt), signal)
    }
  }
}

/** One connection. */
class Stream<Event> {
  readonly #parts: Parts<Event>
  readonly #parser = new EventStreamParser()
  #openedAt = Number.POSITIVE_INFINITY
  #hasSpoken = false
  #hadNews = false

  constructor(parts: Parts<Event>) {
    this.#parts = parts
  }

  /** It brought news, or lasted: the next connection need not wait for long. */
  get isSound(): boolean {
    return this.#hadNews || performance.now() - this.#openedAt > SOUND_AFTER_MS
  }

  /** Until the next connection; the server may ask for longer. */
  restMs(failures: number): number {
    return backoffMs(failures, this.#parser.retryMs ?? 0)
  }

  /** @throws NoStream where none comes */
  async *read(): AsyncGenerator<Event | 'open', void, undefined> {
    const { requester, source, signal, report } = this.#parts
    const silence = new Deadline(FIRST_BYTE_MS, signal)
    const onBytes = () => {
      silence.extend(SILENCE_MS)
      this.#hasSpoken = true
      report('live')
    }
    let response: Response | undefined
    try {
      response = await this.#open(silence.signal)
      this.#openedAt = performance.now()
      yield 'open'
      const limits = { maxBytes: requester.maxBytes, signal: silence.signal, onBytes }
      for await (const message of readMessages(response, this.#parser, limits)) {
        const received = source.decode(message)
        this.#hadNews ||= received?.isNews ?? false
        if (received) yield received.event
      }
    } catch (error) {
      signal.throwIfAborted()
      if (silence.signal.aborted && !this.#hasSpoken) throw new NoStream('nothing came', { cause: error })
      if (error instanceof TasksApiError || error instanceof NoStream) throw error
      if (error instanceof SyntaxError) throw invalidResponse('an event of the stream holds no JSON', error)
      throw toNetworkError(error)
    } finally {
      silence.clear()
      // A consumer that stopped before the first read: a `fetch` that ignores its signal keeps the connection open.
      if (response && !response.body?.locked) response.body?.cancel().catch(() => {})
    }
    if (!this.#hasSpoken) throw new NoStream('it ended before anything came')
  }

  async #open(signal: AbortSignal): Promise<Response> {
    const { requester, source } = this.#parts
    const headers = { accept: 'text/event-stream, application/problem+json', ...source.headers() }
    try {
      const response = await untilAborted(requester.open('GET', source.path, { headers, signal }), signal)
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream')
      // Some platforms read whole bodies alone.
      if (isStream && response.body) return response
      await response.body?.cancel()
    } catch (error) {
      // A server without this route, or with too many streams already.
      const codes = ['NOT_FOUND', 'METHOD_NOT_ALLOWED', 'TOO_MANY_STREAMS', 'NOT_ACCEPTABLE']
      if (!(error instanceof TasksApiError) || !codes.includes(error.code)) throw error
    }
    throw new NoStream('no stream came')
  }
}

/** In place of a stream, until it is time to try one again. */
class Polling<Event> {
  readonly #parts: Parts<Event>
  readonly #intervalMs: number
  readonly #until = performance.now() + TRY_STREAM_AGAIN_MS
  #factor = 1
  /** The latest poll returned all. */
  isSound = false

  constructor(parts: Parts<Event>, intervalMs: number) {
    this.#parts = parts
    this.#intervalMs = intervalMs
  }

  get isOver(): boolean {
    return performance.now() >= this.#until
  }

  /** Until the next poll: longer while nothing changes. */
  restMs(): number {
    return this.#intervalMs * this.#factor
  }

  async *read(): AsyncGenerator<Event | 'open', void, undefined> {
    const { source, signal, report } = this.#parts
    const wasSound = this.isSound
    let isOpen = wasSound
    this.isSound = false
    this.#factor = Math.min(this.#factor * 2, MAX_POLL_FACTOR)
    for await (const event of source.poll(signal)) {
      report('polling')
      if (!isOpen) yield 'open'
      isOpen = true
      // What the first poll finds has not changed since another.
      if (wasSound) this.#factor = 1
      yield event
    }
    report('polling')
    if (!isOpen) yield 'open'
    this.isSound = true
  }
}

function reporter(listener: WatchAllOptions['onConnection']): Parts<never>['report'] {
  let last: WatchConnection | undefined
  return (connection, error) => {
    if (connection === last) return
    last = connection
    listener?.(connection, error)
  }
}
