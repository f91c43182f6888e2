import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect as connectHttp2, constants } from 'node:http2'
import net from 'node:net'
import Fastify, { type FastifyServerOptions } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import type { Role } from '../../src/contract/session.ts'
import type { FeedBatch, FollowOptions } from '../../src/engine/feed/feed.ts'
import { handleError } from '../../src/http/error-handling.ts'
import { EventStreams } from '../../src/http/event-stream.ts'
import { openEvents } from '../support/event-source.ts'

async function* wait(signal: AbortSignal): AsyncGenerator<FeedBatch> {
  yield []
  if (!signal.aborted) await once(signal, 'abort')
}

/** Streams of a scope of their own, and one that says nothing until it is ended. */
async function startSilentStream(limits: ConstructorParameters<typeof EventStreams>[1]) {
  const app = Fastify()
  app.setErrorHandler(handleError)
  const streams = new EventStreams(app, limits)
  app.get('/', async (request, reply) => {
    const { id, role = 'admin' } = request.query as { id?: string; role?: Role }
    const caller = id === undefined ? null : { id, role }
    await streams.send(request, reply, async ({ signal }) => wait(signal), caller)
    return reply
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => app.close())
  return { app, url }
}

test('a stream ends after a while: a viewer that reopens it is authorized again', async () => {
  const { url } = await startSilentStream({ lifeMs: 200 })
  await using stream = await openEvents(url)
  expect(await stream.rest()).toEqual([])
})

test('more streams than a process may hold are refused until one has ended', async () => {
  const { url } = await startSilentStream({ max: 1 })
  const first = await openEvents(url)
  const refused = await fetch(url)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30'])
  expect(await refused.json()).toMatchObject({ code: 'TOO_MANY_STREAMS' })
  await first.close()
  const status = async () => {
    await using stream = await openEvents(url)
    return stream.response.status
  }
  await expect.poll(status).toBe(200)
})

test.each([
  ['owner', 1],
  ['viewer', 2],
  ['admin', 2],
])('one %s cannot occupy the streams of others', async (role, max) => {
  const { app, url } = await startSilentStream({ maxOfOwner: 1, maxOfCaller: 2 })
  const open = (id: string) => openEvents(`${url}?id=${id}&role=${role}`)
  const own = await Promise.all(Array.from({ length: max }, () => open('7')))
  const refused = await fetch(`${url}?id=7&role=${role}`)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30'])
  expect(await refused.json()).toMatchObject({
    code: 'TOO_MANY_STREAMS',
    detail: expect.stringContaining(`you have ${max}`),
  })
  const status = async (id: string) => {
    await using stream = await open(id)
    return stream.response.status
  }
  expect(await status('8')).toBe(200)
  await own[0]?.close()
  await expect.poll(() => status('7')).toBe(200)
  for (const stream of own) await stream.close()
  // Refusals leave connections open.
  app.server.closeAllConnections()
})

type Request = (path: string) => { status: Promise<unknown>; leave: () => void }

function overHttp1(url: string): Request {
  return (path) => {
    const leaving = new AbortController()
    const response = fetch(url + path, { signal: leaving.signal })
    return { status: response.then(({ status }) => status), leave: () => leaving.abort() }
  }
}

function overHttp2(url: string): Request {
  const session = connectHttp2(url)
  onTestFinished(() => session.destroy())
  return (path) => {
    const stream = session.request({ ':path': path }).on('error', () => {})
    const status = once(stream, 'response').then(([headers]) => headers[':status'])
    return { status, leave: () => stream.close(constants.NGHTTP2_CANCEL) }
  }
}

test.each([
  ['HTTP/1.1', {}, overHttp1],
  ['HTTP/2', { http2: true }, overHttp2],
])(
  'a client that leaves while it is authorized holds no stream, over %s',
  async (_name, options, connect) => {
    const app = Fastify(options as FastifyServerOptions)
    onTestFinished(() => app.close())
    app.setErrorHandler(handleError)
    const streams = new EventStreams(app, { max: 1 })
    const authorized = Promise.withResolvers<void>()
    const signals: AbortSignal[] = []
    app.addHook('onRequest', async ({ url }) => (url === '/slow' ? authorized.promise : undefined))
    app.get('/:name', async (request, reply) => {
      const follow = async ({ signal }: FollowOptions) => {
        signals.push(signal)
        return wait(signal)
      }
      await streams.send(request, reply, follow)
      return reply
    })
    const request = connect(await app.listen({ port: 0, host: '127.0.0.1' }))
    const arrived = once(app.server, 'request')
    const slow = request('/slow')
    slow.status.catch(() => {})
    const [, response] = (await arrived) as [unknown, ServerResponse]
    const closed = once(response, 'close')
    slow.leave()
    await closed
    authorized.resolve()
    expect(await request('/next').status).toBe(200)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  },
)

test('a client that does not read what there is is cut off, one that waits for more is not', async () => {
  const app = Fastify()
  const streams = new EventStreams(app, { stalledMs: 500 })
  async function* flood(signal: AbortSignal): AsyncGenerator<FeedBatch> {
    yield []
    while (!signal.aborted) yield [{ type: 'deleted', taskId: 'x'.repeat(100_000) }]
  }
  app.get('/quiet', async (request, reply) => {
    await streams.send(request, reply, async ({ signal }) => wait(signal))
    return reply
  })
  app.get('/flood', async (request, reply) => {
    await streams.send(request, reply, async ({ signal }) => flood(signal))
    return reply
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => app.close())
  await using quiet = await openEvents(`${url}/quiet`)
  const connected = once(app.server, 'connection')
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1').pause()
  onTestFinished(() => void socket.destroy())
  socket.write('GET /flood HTTP/1.1\r\nHost: x\r\n\r\n')
  const [connection] = (await connected) as [net.Socket]
  await expect.poll(() => connection.destroyed).toBe(true)
  const ended = quiet.rest()
  expect(await Promise.race([ended, Promise.resolve('open')])).toBe('open')
  await app.close()
  expect(await ended).toEqual([])
})

test('open streams do not keep the app from closing', async () => {
  const { app, url } = await startSilentStream({})
  await using stream = await openEvents(url)
  const ended = stream.rest()
  await app.close()
  expect(await ended).toEqual([])
})
