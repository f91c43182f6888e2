import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPool, endPool, ping } from '../../src/db/client.ts'
import { watchDatabase } from '../../src/db/probe.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { healthRoutes } from '../../src/http/health.ts'
import { startBundledServer } from './bundled-server.ts'

const METRICS_TOKEN = 'a-token-of-16-or-more'

test('a server that runs is alive and ready', async () => {
  const server = await startBundledServer()
  try {
    const live = await server.app.inject('/health/live')
    expect([live.statusCode, live.json()]).toEqual([200, { status: 'ok' }])
    await expect
      .poll(async () => (await server.app.inject('/health/ready')).json())
      .toEqual({ status: 'ok', reasons: [], stuck: [] })
  } finally {
    await server.close()
  }
})

test('a server that stops is alive, and says that it is not ready', async () => {
  const server = await startBundledServer()
  server.app.taskExecutor?.beginStop()
  const ready = await server.app.inject('/health/ready')
  expect(ready.headers['content-type']).toBe('application/problem+json')
  expect(ready.json()).toMatchObject({ status: 503, code: 'NOT_READY', reasons: ['shutting down'] })
  expect((await server.app.inject('/health/live')).statusCode).toBe(200)
  await server.close()
})

test('a handler that ignores its signal is named, and does not make the server unready', async () => {
  const { task } = createTaskRegistry()
  const finish = Promise.withResolvers<void>()
  const deaf = task('deaf')(() => finish.promise)
  const server = await startBundledServer({
    tasks: [deaf],
    env: { TASK_CANCEL_GRACE_MS: '50', METRICS_TOKEN },
  })
  try {
    const { taskId } = await server.app.tasks.createTask(deaf)
    await expect.poll(async () => (await server.app.tasks.getTask(taskId))?.status).toBe('running')
    await server.app.tasks.cancelTask(taskId)
    await expect
      .poll(async () => (await server.app.inject('/health/ready')).json())
      .toEqual({ status: 'ok', reasons: [], stuck: [taskId] })
    const healthIn = async (url: string, authorization?: string) =>
      (await server.app.inject({ url, headers: { ...(authorization && { authorization }) } })).json().health
    const reasonsIn = async (url: string) => (await healthIn(url))?.reasons
    await expect.poll(() => reasonsIn('/health/ready?verbose')).toEqual([{ code: 'HANDLERS_STUCK' }])
    const forAll = { level: 'amber', reasons: [{ code: 'HANDLERS_STUCK' }] }
    for (const authorization of [undefined, `Bearer ${METRICS_TOKEN}x`, `Basic ${METRICS_TOKEN}`, 'Bearer']) {
      expect(await healthIn('/health/ready?verbose', authorization)).toEqual(forAll)
    }
    expect(await healthIn('/health/ready?verbose', `Bearer ${METRICS_TOKEN}`)).toEqual({
      level: 'amber',
      reasons: [
        {
          code: 'HANDLERS_STUCK',
          level: 'amber',
          text: expect.stringMatching(/^1 handler ignored/),
          evidence: { taskIds: [taskId] },
        },
      ],
    })
    expect(await reasonsIn('/health/ready?verbose=false')).toBeUndefined()
    expect((await server.app.inject('/health/ready?verbose=yes')).statusCode).toBe(400)
  } finally {
    finish.resolve()
    await server.close()
  }
})

describe('with a database that', () => {
  let app: FastifyInstance
  let questions = 0

  async function startHealth(
    connectionString: string,
    executorReasons: () => readonly string[] = () => [],
    token?: string,
  ) {
    const pool = createPool({ connectionString })
    app = Fastify()
    app.addHook('onClose', () => endPool(pool, 100))
    const countedPing = () => {
      questions++
      return ping(pool)
    }
    const findDatabaseProblem = watchDatabase(countedPing)
    await app.register(healthRoutes, {
      findDatabaseProblem,
      executorReasons,
      stuckTasks: () => ['task_stuck'],
      token,
      readHealth: () => Promise.reject(new Error('nothing is read from a database that is away')),
    })
    await app.ready()
  }

  beforeEach(() => {
    questions = 0
  })
  afterEach(() => app.close())

  test('is away, readiness is 503 with that and every other reason', async () => {
    await startHealth(
      'postgres://nobody@127.0.0.1:1/nowhere',
      () => ['the poll loop is stale'],
      METRICS_TOKEN,
    )
    const ready = await app.inject('/ready')
    expect(ready.statusCode).toBe(503)
    expect(ready.json().reasons).toEqual(['the database cannot be reached', 'the poll loop is stale'])
    expect(ready.json().stuck).toEqual(['task_stuck'])
    expect(ready.body).not.toContain('ECONNREFUSED')
    expect(ready.json()).not.toHaveProperty('health')
    const verbose = (await app.inject('/ready?verbose')).json()
    expect(verbose.health).toEqual({ level: 'red', reasons: [{ code: 'DATABASE_AWAY' }] })
    const headers = { authorization: `Bearer ${METRICS_TOKEN}` }
    expect((await app.inject({ url: '/ready?verbose', headers })).json().health).toEqual({
      level: 'red',
      reasons: [
        { code: 'DATABASE_AWAY', level: 'red', text: 'The database does not respond.', evidence: {} },
      ],
    })
  })

  test('goes away between the probe and the read, the error of the driver is not shown', async () => {
    const secret = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' })
    app = Fastify()
    await app.register(healthRoutes, {
      findDatabaseProblem: async () => undefined,
      executorReasons: () => [],
      stuckTasks: () => [],
      token: METRICS_TOKEN,
      readHealth: () => Promise.reject(secret),
    })
    for (const headers of [{}, { authorization: `Bearer ${METRICS_TOKEN}` }]) {
      const ready = await app.inject({ url: '/ready?verbose', headers })
      expect(ready.statusCode).toBe(200)
      expect(ready.json().health.reasons).toMatchObject([{ code: 'DATABASE_AWAY' }])
      expect(ready.body).not.toContain('ECONNREFUSED')
    }
  })

  describe('hangs,', () => {
    let silent: Server
    const sockets = new Set<Socket>()

    beforeEach(async () => {
      silent = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1')
      await once(silent, 'listening')
    })
    afterEach(async () => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })

    test('probes answer in time and share one question', async () => {
      const { port } = silent.address() as { port: number }
      await startHealth(`postgres://nobody@127.0.0.1:${port}/nowhere`)
      const answers = await Promise.all(Array.from({ length: 5 }, () => app.inject('/ready')))
      for (const answer of answers) {
        expect(answer.json().reasons).toEqual(['the database has not responded for 2000 ms'])
      }
      expect(questions).toBe(1)
    })
  })
})
