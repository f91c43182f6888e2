import { createServer, request as sendOn } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  createTasksClient,
  type TaskStreamEvent,
  type TasksWatchEvent,
  type WatchConnection,
} from '../../src/client/index.ts'
import { withTransaction } from '../../src/db/client.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { ADMIN, type BundledServer, logIn, startBundledServer } from '../http/bundled-server.ts'
import { createGate } from '../support/engine.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'

const { task } = createTaskRegistry()
let gate = createGate()
const talk = task('talk')(async (_params, ctx) => {
  for (let i = 1; i <= 300; i += 1) ctx.log.info(`before ${i}`)
  ctx.progress(1, 2, 'half')
  await gate.opened
  for (let i = 1; i <= 300; i += 1) ctx.log.info(`after ${i}`)
})
const EXPECTED = ['before', 'after'].flatMap((when) =>
  Array.from({ length: 300 }, (_, i) => `${when} ${i + 1}`),
)

let server: BundledServer
let address: string
let token: string

beforeAll(async () => {
  server = await startBundledServer({ tasks: [talk] })
  address = await server.app.listen({ port: 0, host: '127.0.0.1' })
  token = await logIn(server.app, ADMIN)
})
afterAll(() => server.close())
beforeEach(() => {
  gate = createGate()
})

const clientOf = (base: string) => createTasksClient({ baseUrl: new URL('/api/admin', base).href, token })

/** All events of a watch; `onEvent` hears of each before the next one is asked for. */
async function gather(
  events: AsyncIterable<TaskStreamEvent>,
  onEvent: (event: TaskStreamEvent) => void = () => {},
): Promise<{ lines: string[]; last: TaskStreamEvent | undefined }> {
  const lines: string[] = []
  let last: TaskStreamEvent | undefined
  for await (const event of events) {
    if (event.type === 'log') lines.push(event.line.message)
    last = event
    onEvent(event)
  }
  return { lines, last }
}

describe('watch', () => {
  test('gives the task, each line once, and the end', async () => {
    const { taskId } = await server.app.tasks.createTask(talk)
    const connections: WatchConnection[] = []
    const events = clientOf(address).watch(taskId, { onConnection: (now) => connections.push(now) })
    const { lines, last } = await gather(events, (event) => {
      if (event.type === 'task' && event.task.step === 'half') gate.open()
    })
    expect(lines).toEqual(EXPECTED)
    expect(last).toEqual({ type: 'end', task: await clientOf(address).getTask(taskId) })
    expect(connections).toEqual(['connecting', 'live'])
  })

  test('reports a change that was taken back before it was read: a caller may have shown it', async () => {
    const { taskId } = await server.app.tasks.createTask(talk, {}, { delayMs: 3_600_000, priority: 5 })
    const events = clientOf(address).watch(taskId)
    const first = await events.next()
    expect(first.value).toMatchObject({ type: 'task', task: { priority: 5 } })
    const next = events.next()
    await withTransaction(server.database.pool, async (client) => {
      for (const priority of [9, 5]) {
        const set = 'update async_tasks set priority = $2, changed_at = clock_timestamp() where task_id = $1'
        await client.query(set, [taskId, priority])
      }
    })
    expect(await next).toEqual(first)
    await events.return(undefined)
  })

  test('goes on where it was when the connection breaks', async () => {
    const proxy = await startFaultProxy(address)
    onTestFinished(() => proxy.close())
    const { taskId } = await server.app.tasks.createTask(talk)
    const connections: WatchConnection[] = []
    const events = clientOf(proxy.url).watch(taskId, {
      onConnection(now) {
        connections.push(now)
        if (now === 'lost') proxy.set('none')
      },
    })
    let breaks = 0
    const { lines, last } = await gather(events, (event) => {
      if (event.type !== 'log' || !/ (100|200|300)$/.test(event.line.message)) return
      breaks += 1
      proxy.set('reset')
      if (event.line.message === 'before 300') gate.open()
    })
    expect(lines).toEqual(EXPECTED)
    expect(last?.type).toBe('end')
    expect(breaks).toBe(6)
    expect(connections.filter((now) => now === 'lost').length).toBeGreaterThan(0)
  })

  test('polls where only plain answers get through', async () => {
    const proxy = await startPlainProxy(address)
    const { taskId } = await server.app.tasks.createTask(talk)
    const connections: WatchConnection[] = []
    const events = clientOf(proxy).watch(taskId, {
      pollIntervalMs: 50,
      onConnection: (now) => connections.push(now),
    })
    const { lines, last } = await gather(events, (event) => {
      if (event.type === 'task' && event.task.step === 'half') gate.open()
    })
    expect(lines).toEqual(EXPECTED)
    expect(last).toMatchObject({ type: 'end', task: { status: 'completed' } })
    expect(connections).toEqual(['connecting', 'polling'])
  })

  test('leaves out lines on request', async () => {
    gate.open()
    const { taskId } = await server.app.tasks.createTask(talk)
    const { lines, last } = await gather(clientOf(address).watch(taskId, { logs: false }))
    expect([lines, last?.type]).toEqual([[], 'end'])
  })

  test('ends with what no further try can mend', async () => {
    const events = clientOf(address).watch('task_nobody')
    await expect(gather(events)).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    const stranger = createTasksClient({ baseUrl: `${address}/api/admin` })
    await expect(gather(stranger.watch('task_nobody'))).rejects.toMatchObject({ status: 401 })
  })

  test('ends when the task is deleted under it', async () => {
    const { taskId } = await server.app.tasks.createTask(talk, {}, { runAt: new Date('2099-01-01') })
    const events = clientOf(address).watch(taskId)
    await events.next()
    await server.database.pool.query('delete from async_tasks where task_id = $1', [taskId])
    await expect(gather(events)).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
  })

  test('ends with its signal, whatever it waits for', async () => {
    const { taskId } = await server.app.tasks.createTask(talk, {}, { runAt: new Date('2099-01-01') })
    const controller = new AbortController()
    const reason = new Error('enough')
    const events = clientOf(address).watch(taskId, { signal: controller.signal })
    await events.next()
    const next = events.next()
    controller.abort(reason)
    await expect(next).rejects.toBe(reason)

    const nobody = clientOf('http://127.0.0.1:1').watch(taskId, {
      signal: controller.signal,
    })
    await expect(nobody.next()).rejects.toBe(reason)
  })
})

describe('watchAll', () => {
  test.each(['by stream', 'by polling'])('shows what runs and what changes, %s', async (how) => {
    const base = how === 'by stream' ? address : await startPlainProxy(address)
    const running = await server.app.tasks.createTask(talk)
    await expect.poll(async () => (await server.app.tasks.getTask(running.taskId))?.step).toBe('half')
    const controller = new AbortController()
    const seen: string[] = []
    const completed = new Set<string>()
    let created: string | undefined
    for await (const event of clientOf(base).watchAll({ signal: controller.signal, pollIntervalMs: 50 })) {
      if (event.type === 'open') {
        seen.push('open')
        continue
      }
      if (event.type !== 'task') continue
      const { taskId, status } = event.task
      if (taskId === running.taskId) seen.push(status)
      if (taskId === running.taskId && status === 'running' && !created) {
        gate.open()
        created = (await server.app.tasks.createTask(talk)).taskId
      }
      if (status === 'completed') completed.add(taskId)
      if (completed.has(running.taskId) && created && completed.has(created)) break
    }
    expect(seen[0]).toBe('open')
    expect(seen.slice(-2)).toEqual(['running', 'completed'])
    controller.abort()
  })

  test.each(['by stream', 'by polling'])('shows the first task of a creator, %s', async (how) => {
    const base = how === 'by stream' ? address : await startPlainProxy(address)
    const createdBy = (await clientOf(address).me()).id
    const controller = new AbortController()
    const events = clientOf(base).watchAll({ signal: controller.signal, pollIntervalMs: 50, createdBy })
    const create = async () => (await server.app.tasks.createTask(talk, {}, { ...LATER, createdBy })).taskId
    const taskId = await nextTask(events, create)
    controller.abort()
    await server.app.tasks.cancelTask(taskId)
    await server.app.tasks.deleteTask(taskId)
  })

  test.each(['by stream', 'by polling'])('shows that tasks are deleted, %s', async (how) => {
    const base = how === 'by stream' ? address : await startPlainProxy(address)
    const { tasks } = server.app
    const { taskId } = await tasks.createTask(talk, {}, { delayMs: 3_600_000 })
    const controller = new AbortController()
    const events = clientOf(base).watchAll({ signal: controller.signal, pollIntervalMs: 50 })
    const marker = await nextTask(events, async () => (await tasks.createTask(talk, {}, LATER)).taskId)
    for (const one of [taskId, marker]) {
      await tasks.cancelTask(one)
      await tasks.deleteTask(one)
      for await (const event of { [Symbol.asyncIterator]: () => keepOpen(events) }) {
        if (event.type === 'deleted' && event.taskId === one) break
      }
    }
    controller.abort()
  })

  test('shows that types are paused and resumed', async () => {
    const controller = new AbortController()
    const events = clientOf(address).watchAll({ signal: controller.signal })
    await nextTask(events, async () => (await server.app.tasks.createTask(talk, {}, LATER)).taskId)
    for (const paused of [true, false]) {
      if (paused) await server.app.tasks.pauseTaskType('talk')
      else await server.app.tasks.resumeTaskType('talk')
      for await (const event of { [Symbol.asyncIterator]: () => keepOpen(events) }) {
        if (event.type !== 'type') continue
        expect(event).toEqual({ type: 'type', taskType: 'talk', paused })
        break
      }
    }
    controller.abort()
  })
})

const LATER = { delayMs: 3_600_000 }

/** A loop that is left does not end the watch. */
function keepOpen(events: AsyncGenerator<TasksWatchEvent>): AsyncIterator<TasksWatchEvent> {
  return { next: () => events.next() }
}

/** Once this task is shown, everything after it is. */
async function nextTask(
  events: AsyncGenerator<TasksWatchEvent>,
  create: () => Promise<string>,
): Promise<string> {
  await events.next()
  const taskId = await create()
  for await (const event of { [Symbol.asyncIterator]: () => keepOpen(events) }) {
    if (event.type === 'task' && event.task.taskId === taskId) break
  }
  return taskId
}

/** Something in between that knows of no streams: it answers when an answer is complete. */
async function startPlainProxy(target: string): Promise<string> {
  const proxy = createServer((incoming, outgoing) => {
    if (/\/events(\?|$)/.test(incoming.url ?? '')) {
      outgoing.writeHead(404, { 'content-type': 'application/problem+json' })
      outgoing.end(JSON.stringify({ status: 404, title: 'Not Found', code: 'NOT_FOUND', detail: 'no route' }))
      return
    }
    const { method, headers } = incoming
    const onwards = sendOn(new URL(incoming.url ?? '/', target), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(onwards)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void proxy.close())
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}
