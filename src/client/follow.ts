import { failureWaitMs, isFinal, TasksApiError } from './errors.ts'
import { EventStreamParser, readMessages, type StreamMessage } from './event-stream.ts'
import { backoffMs, Deadline, pause, untilAborted } from './patience.ts'
import { type Requester, toNetworkError } from './request.ts'
import type { WatchAllOptions, WatchConnection } from './watch.ts'

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

/** An event, and whether it shows something that was not known before. */
export interface Received<Event> {
  readonly event: Event
  readonly isNews: boolean
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

type Report = (connection: WatchConnection, error?: Error) => void

/** Streams do not work here: another server, or something on the way that does not let them pass. */
class NoStream extends Error {
  override readonly name = 'NoStream'
}

/**
 * A stream that does not end: after a lost connection it is opened again, with back-off, and where streams do not
 * work the source is polled. `'open'` stands before the first event of every connection and of polling.
 */
export async function* follow<Event>(
  requester: Requester,
  source: Source<Event>,
  options: WatchAllOptions & { signal: AbortSignal },
): AsyncGenerator<Event | 'open', void, undefined> {
  const { signal } = options
  const report = reporter(options.onConnection)
  report('connecting')
  for (let failures = 0; ; ) {
    const stream = new Stream(requester, source, signal, report)
    const startedAt = performance.now()
    try {
      yield* stream.read()
      failures = stream.isSound ? 0 : failures + 1
      await pause(backoffMs(failures, stream.retryMs), signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof NoStream) {
        yield* pollFor(TRY_STREAM_AGAIN_MS, source, options, report)
        continue
      }
      if (isFinal(error)) throw error
      failures = stream.isSound ? 1 : failures + 1
      report('lost', toError(error))
      await pause(failureWaitMs(error, failures, startedAt), signal)
    }
  }
}

/** One connection. */
class Stream<Event> {
  readonly #requester: Requester
  readonly #source: Source<Event>
  readonly #signal: AbortSignal
  readonly #report: Report
  readonly #parser = new EventStreamParser()
  #openedAt = Number.POSITIVE_INFINITY
  #hasSpoken = false
  #hadNews = false

  constructor(requester: Requester, source: Source<Event>, signal: AbortSignal, report: Report) {
    this.#requester = requester
    this.#source = source
    this.#signal = signal
    this.#report = report
  }

  /** It brought news, or lasted: the next connection need not wait for long. */
  get isSound(): boolean {
    return this.#hadNews || performance.now() - this.#openedAt > SOUND_AFTER_MS
  }

  /** How long the server asked to wait before the next connection. */
  get retryMs(): number {
    return this.#parser.retryMs ?? 0
  }

  /** @throws NoStream where none comes */
  async *read(): AsyncGenerator<Event | 'open', void, undefined> {
    const silence = new Deadline(FIRST_BYTE_MS, this.#signal)
    const onBytes = () => {
      silence.extend(SILENCE_MS)
      this.#hasSpoken = true
      this.#report('live')
    }
    try {
      const response = await this.#open(silence.signal)
      this.#openedAt = performance.now()
      yield 'open'
      const limits = { maxBytes: this.#requester.maxBytes, signal: silence.signal, onBytes }
      for await (const message of readMessages(response, this.#parser, limits)) {
        const received = this.#source.decode(message)
        this.#hadNews ||= received?.isNews ?? false
        if (received) yield received.event
      }
    } catch (error) {
      this.#signal.throwIfAborted()
      if (silence.signal.aborted && !this.#hasSpoken) throw new NoStream('nothing came', { cause: error })
      if (error instanceof TasksApiError || error instanceof NoStream) throw error
      throw error instanceof SyntaxError ? notJson(error) : toNetworkError(error)
    } finally {
      silence.clear()
    }
    if (!this.#hasSpoken) throw new NoStream('it ended before anything came')
  }

  async #open(signal: AbortSignal): Promise<Response> {
    const accept = { accept: 'text/event-stream, application/problem+json' }
    try {
      const opening = this.#requester.open('GET', this.#source.path, {
        headers: { ...accept, ...this.#source.headers() },
        signal,
      })
      const response = await untilAborted(opening, signal)
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

/** Polls for a while, over outages too. */
async function* pollFor<Event>(
  ms: number,
  source: Source<Event>,
  { signal, pollIntervalMs = POLL_INTERVAL_MS }: WatchAllOptions & { signal: AbortSignal },
  report: Report,
): AsyncGenerator<Event | 'open', void, undefined> {
  const until = performance.now() + ms
  let isOpen = false
  for (let failures = 0, factor = 1; performance.now() < until; ) {
    const startedAt = performance.now()
    try {
      factor = Math.min(factor * 2, MAX_POLL_FACTOR)
      for await (const event of source.poll(signal)) {
        report('polling')
        if (!isOpen) yield 'open'
        isOpen = true
        factor = 1
        yield event
      }
      if (!isOpen) yield 'open'
      isOpen = true
      failures = 0
      report('polling')
      await pause(pollIntervalMs * factor, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (isFinal(error)) throw error
      failures += 1
      isOpen = false
      report('lost', toError(error))
      await pause(failureWaitMs(error, failures, startedAt), signal)
    }
  }
}

function reporter(listener: WatchAllOptions['onConnection']): Report {
  let last: WatchConnection | undefined
  return (connection, error) => {
    if (connection === last) return
    last = connection
    listener?.(connection, error)
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function notJson(cause: unknown): TasksApiError {
  return new TasksApiError('an event of the stream holds no JSON', {
    status: 200,
    code: 'INVALID_RESPONSE',
    cause,
  })
}
