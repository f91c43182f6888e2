import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problem } from '../../src/contract/problem.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
  await server.app.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(() => server.close())

function expectProblem(answer: LightMyRequestResponse, status: number, code: string): void {
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.statusCode).toBe(status)
  expect(problem.strict().parse(answer.json())).toMatchObject({ status, code })
}

const postTasks = (payload: string | Buffer, headers: Record<string, string> = {}) =>
  server.asAdmin({
    method: 'POST',
    url: '/api/admin/tasks',
    payload,
    headers: { 'content-type': 'application/json', ...headers },
  })

describe('bodies that cannot be read', () => {
  test.each([
    ['broken JSON', '{"taskType":'],
    ['two documents', '{}{}'],
    ['a key that would poison a prototype', '{"taskType":"x","params":{"__proto__":{"admin":true}}}'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
  ])('%s: 400 INVALID_JSON', async (_name, payload) => {
    const answer = await postTasks(payload)
    expectProblem(answer, 400, 'INVALID_JSON')
    const { detail, errors } = answer.json()
    expect(errors).toEqual([{ pointer: '', detail }])
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'nonsense'])(
    '%s: 415',
    async (contentType) => {
      const refused = await postTasks('{}', { 'content-type': contentType })
      expectProblem(refused, 415, 'UNSUPPORTED_MEDIA_TYPE')
      expect(refused.json().detail).toContain('Content-Type: application/json')
    },
  )

  test.each(['gzip', 'br', 'deflate, gzip', 'nonsense'])('of the encoding %s: 415', async (encoding) => {
    const refused = await postTasks('{}', { 'content-encoding': encoding })
    expectProblem(refused, 415, 'UNSUPPORTED_MEDIA_TYPE')
    expect(refused.json().detail).toContain('without Content-Encoding')
    expectProblem(await postTasks('{}', { 'content-encoding': 'Identity' }), 400, 'INVALID_REQUEST')
  })

  test('too large: 413', async () => {
    const login = {
      method: 'POST',
      url: '/api/admin/auth/login',
      payload: { username: 'x'.repeat(70_000) },
    } as const
    expectProblem(await server.app.inject(login), 413, 'BODY_TOO_LARGE')
  })

  test.each(['', 'null', '1', '"text"', '[]'])('JSON that is no object (%s): 400', async (payload) => {
    expectProblem(await postTasks(payload), 400, 'INVALID_REQUEST')
  })
})

describe('requests that no route is for', () => {
  test.each(['/nowhere', '/api', '/api/admin/nowhere', '/docs/nowhere', '/health', '/health/nowhere'])(
    'GET %s: 404',
    async (url) => {
      expectProblem(await server.asAdmin({ url }), 404, 'NOT_FOUND')
    },
  )

  test.each([
    ['PUT', '/api/admin/tasks', 'GET, HEAD, POST'],
    ['PUT', '/api/admin/tasks/task_1', 'DELETE, GET, HEAD, PATCH'],
    ['GET', '/api/admin/tasks/task_1/cancel', 'POST'],
    ['DELETE', '/health/ready', 'GET, HEAD'],
  ] as const)('%s %s: 405, with what is allowed', async (method, url, allow) => {
    const answer = await server.asAdmin({ method, url })
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    expect(answer.headers.allow).toBe(allow)
  })

  test.each(['/%zz', '/api/admin/tasks/%zz', '/api/admin/tasks/%E0%A4%A'])('GET %s: 400', async (url) => {
    expectProblem(await server.asAdmin({ url }), 400, 'INVALID_URL')
  })
})

describe('what is not HTTP', () => {
  async function speak(bytes: string): Promise<string> {
    const { port } = server.app.server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1')
    socket.write(bytes)
    return text(socket)
  }

  test.each([
    ['nonsense', 'hello\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%s gets problem details too', async (_name, bytes, status) => {
    const [head = '', body = ''] = (await speak(bytes)).split('\r\n\r\n')
    expect(head).toContain(`HTTP/1.1 ${status} `)
    expect(head).toContain('Content-Type: application/problem+json')
    expect(problem.parse(JSON.parse(body)).status).toBe(status)
  })
})
