import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isOutage } from '../db/errors.ts'
import type { FeedBatch, FeedEvent, FollowOptions } from '../engine/feed/feed.ts'
import { described } from '../telemetry/described.ts'
import type { Caller } from './authorize.ts'
import { HttpProblem } from './problems.ts'

/** Proxies cut connections that are idle for about a minute. */
const COMMENT_EVERY_MS = 15_000
const RETRY_MS = 1_000
/** Longest wait for a client to read the end. */
const FAREWELL_MS = 1_000
const INSTEAD = ' open already; ask for the task itself now and then'
const LATER = { headers: { 'retry-after': '30' } }

interface OpenStream {
  /** Ends the stream; cuts it off if the client does not read. */
  end(): void
}

type StreamCaller = Pick<Caller, 'id' | 'role'>

const LIMITS = {
  /**
   * A stream is authorized when it opens, so it ends after this time and the client reopens it. Varied, so that clients
   * do not return at once.
   */
  lifeMs: 10 * 60_000,
  /** A client that takes nothing for this long, although there is something, is cut off. */
  stalledMs: 60_000,
  max: 2_000,
  /** So that one caller cannot occupy all. */
  maxOfCaller: 200,
  maxOfOwner: 50,
}

/** Open streams of one scope. They end with the app, which could not close otherwise. */
export class EventStreams {
  readonly #open = new Set<OpenStream>()
  readonly #limits: typeof LIMITS
  readonly #ofCallers = new Map<string, number>()

  constructor(app: FastifyInstance, limits: Partial<typeof LIMITS> = {}) {
    this.#limits = { ...LIMITS, ...limits }
    app.addHook('preClose', async () => {
      for (const stream of this.#open) stream.end()
    })
  }

  /**
   * Streams what `follow` yields as fast as the client reads: Fastify pipes, so nothing is buffered.
   *
   * @param caller null: any visitor
   * @throws HttpProblem `TOO_MANY_STREAMS`: 429 for the caller's own streams, 503 for those of all
   */
  async send(
    request: FastifyRequest,
    reply: FastifyReply,
    follow: (options: FollowOptions) => Promise<AsyncIterable<FeedBatch>>,
    caller: StreamCaller | null = null,
  ): Promise<void> {
    this.#requireRoom(caller)
    const signal = this.#admit(reply, caller)
    const steps = await follow({ signal, idleMs: COMMENT_EVERY_MS })
    if (hasClosed(reply.raw)) return void reply.hijack()
    reply.headers({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    // A connection kept alive after a stream would delay a closing app. HTTP/2 has no such header.
    if (request.raw.httpVersionMajor < 2) reply.header('connection', 'close')
    // A host's idle timeout would cut a quiet stream. Injected requests have none.
    const { socket } = request.raw
    if (typeof socket.setTimeout === 'function') socket.setTimeout(0)
    // A HEAD request ends with its headers.
    if (request.method === 'HEAD') return void reply.send('')
    const texts = whileRead(encode(steps, request), this.#limits.stalledMs, () => reply.raw.destroy())
    reply.send(Readable.from(texts, { objectMode: false }))
  }

  #requireRoom(caller: StreamCaller | null): void {
    const { max, maxOfCaller, maxOfOwner } = this.#limits
    if (this.#open.size >= max)
      throw new HttpProblem(503, 'TOO_MANY_STREAMS', `there are ${max} streams${INSTEAD}`, LATER)
    if (caller === null) return
    const own = caller.role === 'owner' ? maxOfOwner : maxOfCaller
    if ((this.#ofCallers.get(caller.id) ?? 0) >= own)
      throw new HttpProblem(429, 'TOO_MANY_STREAMS', `you have ${own} streams${INSTEAD}`, LATER)
  }

  /** Returns a signal that aborts when the client has gone or must go. */
  #admit({ raw }: FastifyReply, caller: StreamCaller | null): AbortSignal {
    const over = new AbortController()
    let farewell: NodeJS.Timeout | undefined
    const stream = {
      end: () => {
        over.abort()
        farewell ??= setTimeout(() => raw.destroy(), FAREWELL_MS)
      },
    }
    const life = setTimeout(stream.end, this.#limits.lifeMs * (1 - Math.random() / 10))
    this.#open.add(stream)
    this.#count(caller, 1)
    const leave = () => {
      over.abort()
      clearTimeout(life)
      clearTimeout(farewell)
      this.#open.delete(stream)
      this.#count(caller, -1)
    }
    // The client may have left while it was authorized: no event follows.
    if (hasClosed(raw)) leave()
    else raw.once('close', leave)
    return over.signal
  }

  #count(caller: StreamCaller | null, change: 1 | -1): void {
    if (caller === null) return
    const open = (this.#ofCallers.get(caller.id) ?? 0) + change
    if (open > 0) this.#ofCallers.set(caller.id, open)
    else this.#ofCallers.delete(caller.id)
  }
}

function hasClosed(raw: ServerResponse): boolean {
  // Over HTTP/2 the response itself does not show it.
  const { stream } = raw as { stream?: { readonly destroyed: boolean } }
  return stream ? stream.destroyed : raw.destroyed
}

/** Calls `cut` if nobody asks for the next text for this long: what was sent waits for a client that does not read. */
async function* whileRead(
  texts: AsyncIterable<string>,
  stalledMs: number,
  cut: () => void,
): AsyncGenerator<string> {
  for await (const text of texts) {
    const timer = setTimeout(cut, stalledMs)
    try {
      yield text
    } finally {
      clearTimeout(timer)
    }
  }
}

async function* encode(batches: AsyncIterable<FeedBatch>, request: FastifyRequest): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n\n`
  try {
    for await (const batch of batches) yield batch.length > 0 ? batch.map(toText).join('') : ':\n\n'
  } catch (error) {
    // The status is sent already. The client reopens the stream and gets the error then.
    if (!isOutage(error)) request.log.error(described(error), 'a stream of events broke')
  }
}

/** Encoded once for all viewers. */
const encoded = new WeakMap<object, string>()

function toText(event: FeedEvent): string {
  const data = dataOf(event)
  let json = encoded.get(data)
  if (json === undefined) {
    json = JSON.stringify(data)
    encoded.set(data, json)
  }
  const id = event.type === 'log' ? `id: ${event.line.id}\n` : ''
  return `event: ${event.type}\n${id}data: ${json}\n\n`
}

function dataOf(event: FeedEvent): object {
  if (event.type === 'log') return event.line
  if (event.type === 'step') return event.step
  if (event.type === 'task' || event.type === 'end') return event.task
  const { type: _type, ...data } = event
  return data
}
