import { once } from 'node:events'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { createTestDatabase } from '../support/database.ts'

const LIMITS = {
  headersTimeoutMs: 600,
  requestTimeoutMs: 1_200,
  keepAliveTimeoutMs: 400,
  idleTimeoutMs: 2_000,
  checkEveryMs: 100,
  maxRequestsPerConnection: 20,
  maxConnections: 30,
}

type App = Awaited<ReturnType<typeof buildApp>>

let app: App
let port: number

async function startServer(
  connections?: Partial<typeof LIMITS>,
): Promise<{ app: App; stop(): Promise<void> }> {
  const database = await createTestDatabase('server')
  const app = await buildApp(parseConfig({ LOG_LEVEL: 'silent' }), {
    databaseUrl: database.url,
    ...(connections && { connections }),
  })
  const stop = async () => {
    await app.close()
    await database.drop()
  }
  return { app, stop }
}

beforeAll(async () => {
  const server = await startServer(LIMITS)
  app = server.app
  port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  return server.stop
})

afterAll(() => expect(open.size).toBe(0))

const open = new Set<net.Socket>()

function connect(): net.Socket {
  const socket = net.connect(port, '127.0.0.1')
  open.add(socket)
  socket.on('error', () => {}).once('close', () => open.delete(socket))
  onTestFinished(async () => {
    socket.destroy()
    await closed(socket)
  })
  return socket
}

/** Also after an error, as of a write to a connection that the server has just cut. */
async function closed(socket: net.Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

/** Everything the server sends until it closes the connection. */
async function readAll(socket: net.Socket): Promise<string> {
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await closed(socket)
  return text
}

/** Sends a little at a time, until the server answers or cuts the connection. */
function drip(socket: net.Socket, text: () => string): void {
  const timer = setInterval(() => socket.write(text()), 50)
  const stop = () => clearInterval(timer)
  socket.once('data', stop).once('close', stop)
}

const isHealthy = async () => (await fetch(`http://127.0.0.1:${port}/health/live`)).status

describe('a connection is cut', () => {
  test('whose headers never end', async () => {
    const socket = connect()
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n')
    let n = 0
    drip(socket, () => `X-${n++}: y\r\n`)
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('whose request line never ends', async () => {
    const socket = connect()
    socket.write('GET /')
    drip(socket, () => 'a')
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 408 /)
  })

  test.each([
    ['whose body never ends', 'Content-Length: 60000', () => ' '],
    ['whose chunks never end', 'Transfer-Encoding: chunked', () => '1\r\n \r\n'],
  ])('%s', async (_name, header, text) => {
    const socket = connect()
    socket.write(
      `POST /api/admin/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${header}\r\n\r\n`,
    )
    drip(socket, text)
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('that says nothing at all', async () => {
    expect(await readAll(connect())).toMatch(/^(HTTP\/1\.1 408 .*)?/s)
  })

  test('that stays open after its request', async () => {
    const socket = connect()
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('that does not read its responses', async () => {
    const connected = once(app.server, 'connection')
    const socket = connect().pause()
    const [connection] = (await connected) as [net.Socket]
    socket.write('GET /docs/yaml HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(LIMITS.maxRequestsPerConnection - 1))
    await once(connection, 'close')
    expect(connection.bytesWritten).toBeGreaterThan(0)
  })

  test('after so many requests', async () => {
    const socket = connect()
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(LIMITS.maxRequestsPerConnection + 5))
    const text = await readAll(socket)
    expect(text.match(/HTTP\/1\.1 200 /g)).toHaveLength(LIMITS.maxRequestsPerConnection)
  })
})

test('slow clients keep nobody else waiting, and more connections than the limit are closed', async () => {
  const slow = Array.from({ length: LIMITS.maxConnections - 5 }, () => {
    const socket = connect()
    socket.write('POST /api/admin/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n')
    return socket
  })
  await Promise.all(slow.map(async (socket) => socket.connecting && once(socket, 'connect')))
  expect(await isHealthy()).toBe(200)
  const dropped = once(app.server, 'drop')
  const more = Array.from({ length: 40 }, connect)
  await dropped
  await Promise.all([...slow, ...more].map(readAll))
  expect(await isHealthy()).toBe(200)
})

test('every limit is set in the server as it is run', async () => {
  const server = await startServer()
  const { headersTimeout, requestTimeout, keepAliveTimeout, timeout, maxConnections, maxRequestsPerSocket } =
    server.app.server as unknown as Record<string, number>
  expect({
    headersTimeout,
    requestTimeout,
    keepAliveTimeout,
    timeout,
    maxConnections,
    maxRequestsPerSocket,
  }).toEqual({
    headersTimeout: 30_000,
    requestTimeout: 60_000,
    keepAliveTimeout: 72_000,
    timeout: 120_000,
    maxConnections: 5_000,
    maxRequestsPerSocket: 10_000,
  })
  await server.stop()
})
