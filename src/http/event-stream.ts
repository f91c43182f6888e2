import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isOutage } from '../db/errors.ts'
import type { FeedEvent, FeedStep, FollowOptions } from '../engine/feed/feed.ts'
import { described } from '../telemetry/described.ts'
import { HttpProblem } from './problems.ts'

/** Proxies cut connections that are idle for about a minute. */
const COMMENT_EVERY_MS = 15_000
/**
 * A stream is authorized when it opens, so it ends after this time and the client reopens it. Varied, so that clients
 * do not return at once.
 */
const LIFE_MS = 10 * 60_000
const RETRY_MS = 1_000
/** Longest wait for a client to read the end. */
const FAREWELL_MS = 1_000
const MAX_STREAMS = 2_000
/** So that one owner cannot occupy all. */
const MAX_STREAMS_OF_OWNER = 50

interface OpenStream {
  /** Ends the stream; cuts it off if the client does not read. */
  end(): void
}

/** Open streams of one scope. They end with the app, which could not close otherwise. */
export class EventStreams {
  readonly #open = new Set<OpenStream>()
  readonly #lifeMs: number
  readonly #max: number
  readonly #maxOfOwner: number
  readonly #ofOwners = new Map<string, number>()

  constructor(
    app: FastifyInstance,
    { lifeMs = LIFE_MS, max = MAX_STREAMS, maxOfOwner = MAX_STREAMS_OF_OWNER } = {},
  ) {
    this.#lifeMs = lifeMs
    this.#max = max
    this.#maxOfOwner = maxOfOwner
    app.addHook('preClose', async () => {
      for (const stream of this.#open) stream.end()
    })
  }

  /**
   * Streams what `follow` yields as fast as the client reads: Fastify pipes, so nothing is buffered.
   *
   * @param owner the caller's id, if it is an owner: it has a limit of its own
   * @throws HttpProblem 503 `TOO_MANY_STREAMS`
   */
  async send(
    request: FastifyRequest,
    reply: FastifyReply,
    follow: (options: FollowOptions) => Promise<AsyncIterable<FeedStep>>,
    owner?: string,
  ): Promise<void> {
    if (this.#open.size >= this.#max) throw tooMany(`there are ${this.#max} streams open already`)
    if (owner !== undefined && (this.#ofOwners.get(owner) ?? 0) >= this.#maxOfOwner) {
      throw tooMany(`you have ${this.#maxOfOwner} streams open already`)
    }
    const signal = this.#admit(reply, owner)
    const steps = await follow({ signal, idleMs: COMMENT_EVERY_MS })
    reply.headers({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    // A connection kept alive after a stream would delay a closing app. HTTP/2 has no such header.
    if (request.raw.httpVersionMajor < 2) reply.header('connection', 'close')
    // A host's idle timeout would cut a quiet stream. Injected requests have none.
    const { socket } = request.raw
    if (typeof socket.setTimeout === 'function') socket.setTimeout(0)
    // A HEAD request ends with its headers.
    reply.send(request.method === 'HEAD' ? '' : Readable.from(encode(steps, request), { objectMode: false }))
  }

  /** Returns a signal that aborts when the client has gone or must go. */
  #admit({ raw }: FastifyReply, owner: string | undefined): AbortSignal {
    const over = new AbortController()
    let farewell: NodeJS.Timeout | undefined
    const stream = {
      end: () => {
        over.abort()
        farewell ??= setTimeout(() => raw.destroy(), FAREWELL_MS)
      },
    }
    const life = setTimeout(stream.end, this.#lifeMs * (1 - Math.random() / 10))
    this.#open.add(stream)
    this.#count(owner, 1)
    raw.once('close', () => {
      over.abort()
      clearTimeout(life)
      clearTimeout(farewell)
      this.#open.delete(stream)
      this.#count(owner, -1)
    })
    return over.signal
  }

  #count(owner: string | undefined, change: 1 | -1): void {
    if (owner === undefined) return
    const open = (this.#ofOwners.get(owner) ?? 0) + change
    if (open > 0) this.#ofOwners.set(owner, open)
    else this.#ofOwners.delete(owner)
  }
}

function tooMany(detail: string): HttpProblem {
  return new HttpProblem(503, 'TOO_MANY_STREAMS', `${detail}; ask for the task itself now and then`, {
    headers: { 'retry-after': '30' },
  })
}

async function* encode(steps: AsyncIterable<FeedStep>, request: FastifyRequest): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n\n`
  try {
    for await (const step of steps) yield step.length > 0 ? step.map(toText).join('') : ':\n\n'
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
