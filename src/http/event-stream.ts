import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isOutage } from '../db/errors.ts'
import type { FeedEvent, FeedStep, FollowOptions } from '../engine/feed/feed.ts'
import { described } from '../telemetry/described.ts'
import { HttpProblem } from './problems.ts'

/** Proxies cut connections that are silent for a minute or so. */
const COMMENT_EVERY_MS = 15_000
/**
 * A stream is authorized when it is opened. So it ends after this, and whoever has a session still opens it again
 * and goes on where it was. A little earlier for some than for others, so that they do not all come back at once.
 */
const LIFE_MS = 10 * 60_000
/** How long clients wait before they open it again. */
const RETRY_MS = 1_000
/** What a client that reads nothing may take to read the last of it. */
const FAREWELL_MS = 1_000
const MAX_STREAMS = 2_000

interface OpenStream {
  /** Ends the stream; cuts it off where the client does not read on. */
  end(): void
}

/** The streams of server-sent events of one scope. They end with the app: open ones would keep it from closing. */
export class EventStreams {
  readonly #open = new Set<OpenStream>()
  readonly #lifeMs: number
  readonly #max: number

  constructor(app: FastifyInstance, { lifeMs = LIFE_MS, max = MAX_STREAMS } = {}) {
    this.#lifeMs = lifeMs
    this.#max = max
    app.addHook('preClose', async () => {
      for (const stream of this.#open) stream.end()
    })
  }

  /**
   * Answers with what `follow` says, in as small steps as the client reads them: Fastify pipes, so nothing gathers
   * for one that is slow.
   */
  async send(
    request: FastifyRequest,
    reply: FastifyReply,
    follow: (options: FollowOptions) => Promise<AsyncIterable<FeedStep>>,
  ): Promise<void> {
    if (this.#open.size >= this.#max) {
      const detail = `there are ${this.#max} streams open already; ask for the task itself now and then`
      throw new HttpProblem(503, 'TOO_MANY_STREAMS', detail, { headers: { 'retry-after': '30' } })
    }
    const signal = this.#admit(reply)
    const steps = await follow({ signal, idleMs: COMMENT_EVERY_MS })
    reply.headers({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    // A connection that is kept for another request after a stream would keep a closing app waiting for that. HTTP/2
    // has one connection for all, and no such header.
    if (request.raw.httpVersionMajor < 2) reply.header('connection', 'close')
    // A host's limit for idle connections would cut a stream on which nothing happens. Injected requests have none.
    const { socket } = request.raw
    if (typeof socket.setTimeout === 'function') socket.setTimeout(0)
    // A HEAD request is over with its headers.
    reply.send(request.method === 'HEAD' ? '' : Readable.from(encode(steps, request), { objectMode: false }))
  }

  /** Answers a signal that aborts when the client has gone, or has to go. */
  #admit({ raw }: FastifyReply): AbortSignal {
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
    raw.once('close', () => {
      over.abort()
      clearTimeout(life)
      clearTimeout(farewell)
      this.#open.delete(stream)
    })
    return over.signal
  }
}

async function* encode(steps: AsyncIterable<FeedStep>, request: FastifyRequest): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n\n`
  try {
    for await (const step of steps) yield step.length > 0 ? step.map(toText).join('') : ':\n\n'
  } catch (error) {
    // The status was sent long ago. The client opens the stream again, and is told of a problem that lasts.
    if (!isOutage(error)) request.log.error(described(error), 'a stream of events broke')
  }
}

/** Many viewers are shown the same: it is encoded once. */
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
  if (event.type === 'task' || event.type === 'end') return event.task
  const { type: _type, ...data } = event
  return data
}
