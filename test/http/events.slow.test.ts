import { once } from 'node:events'
import net from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { TaskDetail, TaskLogLine } from '../../src/contract/task.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createGate } from '../support/engine.ts'
import { openEvents } from '../support/event-source.ts'
import { ADMIN, type BundledServer, logIn, startBundledServer } from './bundled-server.ts'

/** How often the stream of one log is interrupted; `RECONNECTS` makes it more. Each time about ten lines come. */
const RECONNECTS = Number(process.env.RECONNECTS ?? 100)

const { task } = createTaskRegistry()
let gate = createGate()
const talk = task('talk')(async (_params, ctx) => {
  ctx.log.info('before', { n: 1 })
  ctx.progress(1, 2, 'half')
  await gate.opened
  ctx.log.warn('after')
})
const chatter = task('chatter')(async (_params, ctx) => {
  for (let line = 1; line <= RECONNECTS * 10; line += 1) {
    ctx.log.info(`line ${line}`)
    if (line % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  }
})

let server: BundledServer
let address: string
let headers: Record<string, string>

beforeAll(async () => {
  server = await startBundledServer({ tasks: [talk, chatter] })
  address = `${await server.app.listen({ port: 0, host: '127.0.0.1' })}/api/admin`
  headers = { authorization: `Bearer ${await logIn(server.app, ADMIN)}` }
})
afterAll(() => server.close())
beforeEach(() => {
  gate = createGate()
})

const nameAndData = (events: { event: string; data: string }[]) =>
  events.map(({ event, data }) => [event, JSON.parse(data)] as const)

/** Fits once all of these texts have come. */
function allOf(...texts: string[]): (event: { data: string }) => boolean {
  const awaited = new Set(texts)
  return ({ data }) => {
    for (const text of awaited) if (data.includes(text)) awaited.delete(text)
    return awaited.size === 0
  }
}

describe('the stream of a task', () => {
  test('shows the task, its log and its end, and closes', async () => {
    const { taskId } = await server.app.tasks.createTask(talk)
    await using stream = await openEvents(`${address}/tasks/${taskId}/events`, headers)
    expect(stream.response.status).toBe(200)
    expect(Object.fromEntries(stream.response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    const first = await stream.until(allOf('"before"', '"half"'))
    gate.open()
    const rest = nameAndData(await stream.rest())
    const lines = [...nameAndData(first), ...rest]
      .filter(([event]) => event === 'log')
      .map(([, line]) => line)
    expect(lines.map(({ level, message, data }) => [level, message, data])).toEqual([
      ['INFO', 'before', { n: 1 }],
      ['WARNING', 'after', undefined],
    ])
    const [lastEvent, ended] = rest.at(-1) ?? []
    const detail = await server.asAdmin({ url: `/api/admin/tasks/${taskId}` })
    expect([lastEvent, ended]).toEqual(['end', detail.json<TaskDetail>()])
    const { logs } = (await server.asAdmin({ url: `/api/admin/tasks/${taskId}/logs` })).json()
    expect(lines).toEqual(logs)
  })

  test('of a task that has ended is its log and its end', async () => {
    gate.open()
    const { taskId } = await server.app.tasks.createTask(talk)
    await server.app.tasks.waitFor(taskId)
    await using stream = await openEvents(`${address}/tasks/${taskId}/events`, headers)
    const events = await stream.rest()
    expect(events.map(({ event }) => event)).toEqual(['task', 'log', 'log', 'end'])

    const lastId = events[1]?.id ?? ''
    await using resumed = await openEvents(`${address}/tasks/${taskId}/events`, {
      ...headers,
      'last-event-id': lastId,
    })
    expect((await resumed.rest()).map(({ event, id }) => [event, id !== lastId])).toEqual([
      ['task', true],
      ['log', true],
      ['end', true],
    ])
  })

  test(`interrupted ${RECONNECTS} times it gives every line once`, { timeout: 300_000 }, async () => {
    const { taskId } = await server.app.tasks.createTask(chatter)
    const url = `${address}/tasks/${taskId}/events`
    const ids: number[] = []
    const messages: string[] = []
    // Somebody who is there all the time in the second half keeps the newest lines at hand; before, they are read.
    let steady: ReturnType<typeof openEvents> | undefined
    for (let i = 0, hasEnded = false; !hasEnded; i += 1) {
      if (i === Math.floor(RECONNECTS / 2)) steady = openEvents(url, headers)
      const lastId = String(ids.at(-1) ?? 0)
      await using stream = await openEvents(url, { ...headers, 'last-event-id': lastId })
      const wanted = i < RECONNECTS ? Math.floor(Math.random() * 20) : Number.POSITIVE_INFINITY
      for (let lines = 0; lines < wanted; ) {
        const { event, data } = (await stream.next()) ?? {}
        if (event === undefined) break
        hasEnded ||= event === 'end'
        if (event !== 'log') continue
        const line = JSON.parse(data ?? '') as TaskLogLine
        ids.push(line.id)
        messages.push(line.message)
        lines += 1
      }
    }
    await (await steady)?.close()
    expect(messages).toEqual(Array.from({ length: RECONNECTS * 10 }, (_, i) => `line ${i + 1}`))
    expect(ids).toEqual(ids.toSorted((left, right) => left - right))
  })

  test.each([
    ['nonsense', 404, 'TASK_NOT_FOUND'],
    ['task_1', 404, 'TASK_NOT_FOUND'],
  ])('of %s is refused with %i %s', async (taskId, status, code) => {
    const answer = await server.asAdmin({ url: `/api/admin/tasks/${taskId}/events` })
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.json()).toMatchObject({ status, code })
  })

  test.each(['x', '-1', '1.5', '9007199254740993'])(
    'is refused after an event of id %j, which none can have',
    async (id) => {
      const answer = await server.asAdmin({
        url: '/api/admin/tasks/task_1/events',
        headers: { 'last-event-id': id },
      })
      expect(answer.json()).toMatchObject({
        status: 400,
        code: 'INVALID_REQUEST',
        errors: [{ pointer: '/last-event-id' }],
      })
    },
  )

  test('ends when the task is deleted', async () => {
    const { taskId } = await server.app.tasks.createTask(
      talk,
      {},
      { runAt: new Date(Date.now() + 3_600_000) },
    )
    await using stream = await openEvents(`${address}/tasks/${taskId}/events`, headers)
    await stream.next()
    await server.database.pool.query('delete from async_tasks where task_id = $1', [taskId])
    expect((await stream.rest()).map(({ event }) => event)).not.toContain('end')
  })
})

describe('the stream of all tasks', () => {
  test('shows tasks as the list does, from their creation to their end', async () => {
    await using stream = await openEvents(`${address}/tasks/events`, headers)
    gate.open()
    const { taskId } = await server.app.tasks.createTask(talk)
    const events = await stream.until(allOf(`"taskId":"${taskId}"`, '"completed"'))
    expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['task']))
    const listed = (await server.asAdmin({ url: `/api/admin/tasks?q=${taskId}` })).json().tasks[0]
    expect(JSON.parse(events.at(-1)?.data ?? '')).toEqual(listed)
  })
})

describe.each(['/tasks/events', '/tasks/task_1/events'])('%s', (path) => {
  const url = `/api/admin${path}`
  test('is a route like the others', async () => {
    expect((await server.app.inject({ url })).statusCode).toBe(401)
    expect((await server.asUser({ url })).statusCode).toBe(403)
    const posted = await server.asAdmin({ method: 'POST', url })
    expect([posted.statusCode, posted.headers.allow]).toEqual([405, 'GET, HEAD'])
    const unknown = await server.asAdmin({ url: `${url}?page=1` })
    expect(unknown.json()).toMatchObject({ status: 400, errors: [{ pointer: '/page' }] })
  })
})

test('a HEAD request is over with its headers', async () => {
  const answer = await server.asAdmin({ method: 'HEAD', url: '/api/admin/tasks/events' })
  expect([answer.statusCode, answer.headers['content-type'], answer.body]).toEqual([
    200,
    'text/event-stream',
    '',
  ])
})

test('a client that does not read costs little, and is cut off when the app closes', async () => {
  const own = await startBundledServer({ tasks: [talk] })
  const base = new URL(await own.app.listen({ port: 0, host: '127.0.0.1' }))
  const token = await logIn(own.app, ADMIN)
  const { taskId } = await own.app.tasks.createTask(talk)
  await own.database.pool.query(
    `insert into async_task_logs (task_id, level, message)
     select $1, 'INFO', repeat('x', 10000) from generate_series(1, 6000)`,
    [taskId],
  )
  const connected = once(own.app.server, 'connection')
  const socket = net.connect(Number(base.port), base.hostname).pause()
  onTestFinished(() => void socket.destroy())
  socket.write(
    `GET /api/admin/tasks/${taskId}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  // 60 MB wait for it. What the buffers of sockets hold is a few of them.
  const [connection] = (await connected) as [net.Socket]
  const sent = [0, -1]
  while (sent[0] !== sent[1] || sent[0] === 0) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    sent.unshift(connection.bytesWritten)
  }
  expect(sent[0]).toBeLessThan(30_000_000)
  gate.open()
  await own.close()
})
