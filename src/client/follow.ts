import { TasksApiError } from './errors.ts'
import { EventStreamParser, readMessages, type StreamMessage } from './event-stream.ts'
import { backoffMs, pause, Silence } from './patience.ts'
import { type Requester, toNetworkError } from './request.ts'
import type { WatchAllOptions, WatchConnection } from './watch.ts'

/** A server says something at once; where nothing comes, something in between holds streams back. */
const FIRST_BYTE_MS = 10_000
/** The server sends a comment every 15 s. */
const SILENCE_MS = 45_000
/** While polling: whether streams work by now. */
const TRY_STREAM_AGAIN_MS = 60_000
const POLL_INTERVAL_MS = 1_000

/** Where a stream comes from, and what to do without it. */
export interface Source<Event> {
  readonly path: string
  /** Of the next connection. */
  headers(): Record<string, string>
  decode(message: StreamMessage): Event | undefined
  /** One look at everything. */
  poll(signal: AbortSignal | undefined): AsyncIterable<Event>
}

type Say = (connection: WatchConnection, error?: Error) => void

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
  options: WatchAllOptions,
): AsyncGenerator<Event | 'open', void, undefined> {
  const { signal } = options
  const say = announcer(options.onConnection)
  say('connecting')
  const attempt = { failures: 0, retryMs: undefined as number | undefined }
  for (;;) {
    try {
      yield* readStream(requester, source, signal, say, attempt)
      await pause(attempt.retryMs ?? backoffMs(1), signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof NoStream) {
        yield* pollFor(TRY_STREAM_AGAIN_MS, source, options, say)
        continue
      }
      if (!(error instanceof TasksApiError) || !error.isTransient) throw error
      attempt.failures += 1
      say('lost', error)
      await pause(waitMs(error, attempt.failures), signal)
    }
  }
}

async function* readStream<Event>(
  requester: Requester,
  source: Source<Event>,
  signal: AbortSignal | undefined,
  say: Say,
  attempt: { failures: number; retryMs: number | undefined },
): AsyncGenerator<Event | 'open', void, undefined> {
  const silence = new Silence(FIRST_BYTE_MS, signal)
  const parser = new EventStreamParser()
  let hasSpoken = false
  const onBytes = () => {
    silence.allow(SILENCE_MS)
    hasSpoken = true
    attempt.failures = 0
    say('live')
  }
  try {
    const response = await openStream(requester, source, silence.signal)
    yield 'open'
    for await (const message of readMessages(response, parser, { maxBytes: requester.maxBytes, onBytes })) {
      const event = source.decode(message)
      if (event !== undefined) yield event
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof TasksApiError || error instanceof NoStream) throw error
    if (silence.signal.aborted && !hasSpoken) throw new NoStream('nothing came', { cause: error })
    if (error instanceof SyntaxError) throw notJson(error)
    throw toNetworkError(error)
  } finally {
    attempt.retryMs = parser.retryMs
    silence.stop()
  }
}

async function openStream<Event>(
  requester: Requester,
  source: Source<Event>,
  signal: AbortSignal,
): Promise<Response> {
  const accept = { accept: 'text/event-stream, application/problem+json' }
  try {
    const response = await requester.open('GET', source.path, {
      headers: { ...accept, ...source.headers() },
      signal,
    })
    if (response.headers.get('content-type')?.startsWith('text/event-stream')) return response
    await response.body?.cancel()
  } catch (error) {
    // A server without this route, or with too many streams already.
    const codes = ['NOT_FOUND', 'METHOD_NOT_ALLOWED', 'TOO_MANY_STREAMS', 'NOT_ACCEPTABLE']
    if (!(error instanceof TasksApiError) || !codes.includes(error.code)) throw error
  }
  throw new NoStream('no stream came')
}

/** Polls for a while, over outages too. */
async function* pollFor<Event>(
  ms: number,
  source: Source<Event>,
  { signal, pollIntervalMs = POLL_INTERVAL_MS }: WatchAllOptions,
  say: Say,
): AsyncGenerator<Event | 'open', void, undefined> {
  const until = performance.now() + ms
  yield 'open'
  for (let failures = 0; performance.now() < until; ) {
    try {
      for await (const event of source.poll(signal)) {
        say('polling')
        yield event
      }
      failures = 0
      say('polling')
      await pause(pollIntervalMs, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof TasksApiError) || !error.isTransient) throw error
      failures += 1
      say('lost', error)
      await pause(waitMs(error, failures), signal)
    }
  }
}

function waitMs({ retryAfterSeconds }: TasksApiError, failures: number): number {
  return Math.max(backoffMs(failures), (retryAfterSeconds ?? 0) * 1_000)
}

function announcer(listener: WatchAllOptions['onConnection']): Say {
  let last: WatchConnection | undefined
  return (connection, error) => {
    if (connection === last) return
    last = connection
    listener?.(connection, error)
  }
}

function notJson(cause: unknown): TasksApiError {
  return new TasksApiError('an event of the stream holds no JSON', {
    status: 200,
    code: 'INVALID_RESPONSE',
    cause,
  })
}
