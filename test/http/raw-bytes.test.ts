import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

let server: BundledServer
let address: URL

beforeAll(async () => {
  server = await startBundledServer()
  address = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }))
})
afterAll(() => server.close())

/** The status of each response to bytes that a client library would not send. */
async function sendRaw(bytes: string | Buffer): Promise<number[]> {
  const socket = net.connect(Number(address.port), address.hostname)
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.end(bytes)
  await closed
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))
}

describe('bytes that are not quite HTTP', () => {
  const smuggled = 'GET /api/admin/tasks HTTP/1.1\r\nHost: x\r\n\r\n'
  const login = 'POST /api/admin/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  test.each<[string, string, number[]]>([
    ['two lengths', `${login}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, [400]],
    [
      'length and chunks',
      `${login}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      [400],
    ],
    ['chunked twice', `${login}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, [400]],
    ['an unknown coding', `${login}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`, [400]],
    ['a space before the colon', `${login}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, [400]],
    ['a folded header', `${login}X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}`, [400]],
    ['a bare LF', 'GET /health/live HTTP/1.1\nHost: x\n\n', [400]],
    ['a NUL in a header', 'GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n', [400]],
    ['a bare CR in a header', 'GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n', [400]],
    ['no host', 'GET /health/live HTTP/1.1\r\n\r\n', [400]],
    ['a chunk of a negative size', `${login}Transfer-Encoding: chunked\r\n\r\n-1\r\n`, [400]],
    ['a chunk of a huge size', `${login}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n`, [400]],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000', [400]],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
    ['headers of 100 kB', `GET /health/live HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`, [431]],
    ['a path of 100 kB', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, [431]],
  ])('%s', async (_name, bytes, statuses) => {
    const answers = await sendRaw(Buffer.from(bytes, 'latin1'))
    // The server closes the connection while bytes arrive: its response may be lost.
    expect(answers.length === 0 ? statuses : answers).toEqual(statuses)
  })

  test.each(['TRACE', 'CONNECT', 'OPTIONS', 'PROPFIND', 'QUERY', 'PURGE', 'FOO', 'get'])(
    'method %s does nothing',
    async (method) => {
      const statuses = await sendRaw(
        `${method} /api/admin/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      )
      for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400)
    },
  )

  test('the server goes on', async () => {
    expect((await fetch(new URL('/health/live', address))).status).toBe(200)
  })
})
