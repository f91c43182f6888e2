import { existsSync, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TaskDetail } from '../../src/contract/task.ts'
import { processStart } from '../../src/db/process-identity.ts'
import { createTestDatabase } from '../support/database.ts'
import { withClient } from '../support/with-client.ts'
import {
  cloneProject,
  expectNothingLeft,
  isReady,
  postmasterPid,
  processesOf,
  ServerProcess,
} from './server-process.ts'

async function logIn(address: string, password: string): Promise<Response> {
  return fetch(`${address}/api/admin/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password }),
  })
}

async function call<T>(address: string, token: string, route: string, body?: object): Promise<T> {
  const response = await fetch(`${address}/api/admin/${route}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  expect(response.status).toBeLessThan(300)
  return (await response.json()) as T
}

test('the first start makes everything, and the second keeps it', async () => {
  const folder = cloneProject()
  const first = new ServerProcess(folder)
  const address = await first.listening()
  expect(await isReady(address)).toBe(200)
  const file = await first.says(/with the password in (\S+),/)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const password = readFileSync(file, 'utf8').trim()
  expect(first.output).not.toContain(password)
  const session = (await (await logIn(address, password)).json()) as { token: string }
  first.npm.kill('SIGTERM')
  expect(await first.exitCode).toBe(0)
  await expectNothingLeft(first)

  const second = new ServerProcess(folder)
  const next = await second.listening()
  expect(await isReady(next)).toBe(200)
  expect((await logIn(next, password)).status).toBe(200)
  const headers = { authorization: `Bearer ${session.token}` }
  expect((await fetch(`${next}/api/admin/auth/me`, { headers })).status).toBe(200)
  expect(second.output).not.toContain('password')
})

describe('a stop drains, ends with 0 and leaves no process', () => {
  test.each<[string, (server: ServerProcess) => Promise<unknown>]>([
    ['SIGTERM to npm', async (server) => server.npm.kill('SIGTERM')],
    ['SIGTERM to the server', async (server) => process.kill(await server.pid(), 'SIGTERM')],
    ['Ctrl-C in the terminal', async (server) => server.signalGroup('SIGINT')],
  ])('%s', async (_name, stop) => {
    const server = new ServerProcess(cloneProject())
    const address = await server.listening()
    // A request that is under way, whose answer the stop has to wait for.
    const request = connect(Number(new URL(address).port), '127.0.0.1')
    const body = JSON.stringify({ username: 'admin', password: 'wrong' })
    request.write(
      'POST /api/admin/auth/login HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n' +
        `content-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`,
    )
    const answer = await readUntil(request, '100 Continue')
    await stop(server)
    await server.says(/stopping/)
    request.write(body)
    expect(await readUntil(request, '401 Unauthorized', answer)).toContain('application/problem+json')
    expect(await server.exitCode).toBe(0)
    await expectNothingLeft(server)
  })

  test('a task that is cut off goes on at the next start, with no retry spent', async () => {
    const folder = cloneProject()
    const env = { SHUTDOWN_TIMEOUT_MS: '2000', TASK_CANCEL_GRACE_MS: '1000', ADMIN_PASSWORD: 'open, sesame!' }
    const first = new ServerProcess(folder, env)
    const address = await first.listening()
    const { token } = (await (await logIn(address, 'open, sesame!')).json()) as { token: string }
    const find = (at: string, taskId: string) => call<TaskDetail>(at, token, `tasks/${taskId}`)
    const run = (taskType: string, params: object) =>
      call<TaskDetail>(address, token, 'tasks', { taskType, params })

    const stocks = await run('init_stocks', {})
    await expect.poll(async () => (await find(address, stocks.taskId)).status).toBe('completed')
    const bars = await run('backfill_by_range', { startDate: '2024-01-02', endDate: '2024-12-31' })
    await expect.poll(async () => (await find(address, bars.taskId)).progress).toBeGreaterThan(0)
    first.npm.kill('SIGTERM')
    expect(await first.exitCode).toBe(0)
    await expectNothingLeft(first)

    const second = new ServerProcess(folder, env)
    const next = await second.listening()
    await expect.poll(async () => (await find(next, bars.taskId)).status).toBe('completed')
    expect(await find(next, bars.taskId)).toMatchObject({
      retryCount: 0,
      attempts: [{ outcome: 'interrupted' }, { outcome: 'completed' }],
    })
  })

  test('a signal while the server is still starting', async () => {
    const server = new ServerProcess(cloneProject())
    const lock = path.join(server.folder, '.data/server.pid')
    await expect.poll(() => existsSync(lock), { interval: 5 }).toBe(true)
    server.npm.kill('SIGTERM')
    expect(await server.exitCode).toBe(0)
    expect(server.output).not.toContain('listening')
    await expectNothingLeft(server)
  })

  test("a signal while the server waits for another process's migrations", async () => {
    const database = await createTestDatabase('server')
    onTestFinished(() => database.drop())
    await withClient(database.directUrl, async (client) => {
      await client.query(`select pg_advisory_lock(hashtextextended('fastify-async-tasks migrations', 0))`)
      const server = new ServerProcess(cloneProject(), { DATABASE_URL: database.directUrl })
      await server.says(/waiting for another process's migrations/)
      server.npm.kill('SIGTERM')
      expect(await server.exitCode).toBe(0)
      expect(server.output).toContain('SIGTERM: stopping')
      expect(server.output).not.toContain('not stopped')
    })
  })
})

async function readUntil(socket: ReturnType<typeof connect>, end: string, before = ''): Promise<string> {
  let text = before
  for await (const chunk of socket.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += chunk as string
    if (text.includes(end)) break
  }
  return text
}

test('a second signal ends the server at once with 1, and its PostgreSQL after it', async () => {
  const server = new ServerProcess(cloneProject())
  const address = await server.listening()
  const pid = await server.pid()
  // Keeps the stop waiting: a request whose body never comes.
  const request = connect(Number(new URL(address).port), '127.0.0.1')
  onTestFinished(() => void request.destroy())
  request.on('error', () => {})
  request.write(
    'POST /api/admin/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n',
  )
  await readUntil(request, '100 Continue')
  process.kill(pid, 'SIGTERM')
  await server.says(/SIGTERM: stopping/)
  process.kill(pid, 'SIGINT')
  expect(await server.exitCode).toBe(1)
  await expect.poll(() => processesOf(server.folder)).toEqual([])
})

test('after kill -9 PostgreSQL ends by itself, and the next start works', async () => {
  const folder = cloneProject()
  const killed = new ServerProcess(folder)
  await killed.listening()
  const leftover = postmasterPid(folder)
  process.kill(await killed.pid(), 'SIGKILL')
  expect(await killed.exitCode).not.toBe(0)
  const next = new ServerProcess(folder)
  expect(await isReady(await next.listening())).toBe(200)
  expect(processStart(leftover)).toBeUndefined()
})

test('a second server in the same folder is refused with the pid of the first', async () => {
  const folder = cloneProject()
  const first = new ServerProcess(folder)
  const address = await first.listening()
  const second = new ServerProcess(folder)
  await second.says(new RegExp(`already running in this folder with pid ${await first.pid()}`))
  expect(await second.exitCode).toBe(1)
  expect(await isReady(address)).toBe(200)
})

test('a wrong environment stops the start with every problem listed', async () => {
  const server = new ServerProcess(cloneProject(), { PORT: 'http', LOG_LEVEL: 'loud', AUTH_SECRET: 'hush' })
  expect(await server.exitCode).toBe(1)
  expect(server.output).toContain('PORT=http: expected')
  expect(server.output).toContain('LOG_LEVEL=loud: expected')
  expect(server.output).toContain('AUTH_SECRET: expected')
  expect(server.output).not.toContain('hush')
})

test('a start that fails says why, with LOG_LEVEL=silent too', async () => {
  const DATABASE_URL = 'postgres://nobody:hush@127.0.0.1:1/nowhere'
  const server = new ServerProcess(cloneProject(), { LOG_LEVEL: 'silent', DATABASE_URL })
  expect(await server.exitCode).toBe(1)
  expect(server.output).toContain('connect ECONNREFUSED 127.0.0.1:1')
  expect(server.output).not.toContain('hush')
})
