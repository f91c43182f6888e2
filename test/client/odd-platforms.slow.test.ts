import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createTasksClient,
  TasksApiError,
  taskStatusQueryOptions,
  type WatchConnection,
} from '../../src/client/index.ts'
import { ListStore } from '../../src/client/list-store.ts'
import { createGate } from '../support/engine.ts'
import { BAD_ANSWERS } from './bad-answers.ts'
import { ScriptedServer } from './scripted-server.ts'

async function startServer(name = 'no answer', behaves = true) {
  const bad = BAD_ANSWERS[name]
  if (!bad) throw new Error(`no such answer: ${name}`)
  const server = new ScriptedServer(bad)
  const baseUrl = await server.start()
  onTestFinished(() => server.stop())
  if (behaves) server.behave()
  return { server, baseUrl }
}

/** A fetch whose responses have no body to read in parts, as in React Native. */
const bodiless: typeof fetch = async (input, init) => {
  const response = await fetch(input, init)
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream')
  const text = isStream ? '' : await response.text()
  if (isStream) await response.body?.cancel()
  const { status, ok, headers } = response
  return { status, ok, headers, body: null, text: async () => text } as Response
}

test('without readable bodies calls work, and tasks are watched by polling', async () => {
  const { baseUrl } = await startServer()
  const client = createTasksClient({ baseUrl, fetch: bodiless })
  expect(await client.getTask('task_1')).toMatchObject({ status: 'completed' })
  const connections: string[] = []
  const types: string[] = []
  for await (const { type } of client.watch('task_1', { onConnection: (now) => connections.push(now) }))
    types.push(type)
  expect(types).toEqual(['task', 'log', 'log', 'end'])
  expect(connections).toEqual(['connecting', 'polling'])
})

test('without Promise.withResolvers and AbortSignal.any a server that was away is asked again', async () => {
  const { server, baseUrl } = await startServer('a server error', false)
  const { withResolvers } = Promise
  const { any } = AbortSignal
  Object.assign(Promise, { withResolvers: undefined })
  Object.assign(AbortSignal, { any: undefined })
  onTestFinished(() => {
    Object.assign(Promise, { withResolvers })
    Object.assign(AbortSignal, { any })
  })
  const onConnection = (now: WatchConnection) => void (now === 'lost' && server.behave())
  const types: string[] = []
  for await (const { type } of createTasksClient({ baseUrl }).watch('task_1', { onConnection }))
    types.push(type)
  expect(types.at(-1)).toBe('end')
})

test('the iterator returns at once while it waits for its next event, and its connection is closed', async () => {
  const { server, baseUrl } = await startServer('streams of headers alone', false)
  const events = createTasksClient({ baseUrl }).watchAll()
  expect(await events.next()).toEqual({ done: false, value: { type: 'open' } })
  const waiting = events.next()
  expect(await events.return(undefined)).toEqual({ done: true, value: undefined })
  expect(await waiting).toEqual({ done: true, value: undefined })
  await expect.poll(() => server.openConnections()).toBe(0)
})

test.each([
  ['of the stream', 'no answer', 1],
  ['of a poll', 'streams of another type', 2],
])('a token %s that cannot be had once ends no watch', async (_request, bad, nth) => {
  const { server, baseUrl } = await startServer(bad, false)
  let asked = 0
  const token = () => {
    asked += 1
    if (asked !== nth) return 'x'
    server.behave()
    throw new Error('the vault is sealed')
  }
  const types: string[] = []
  for await (const { type } of createTasksClient({ baseUrl, token }).watch('task_1')) types.push(type)
  expect(types.at(-1)).toBe('end')
  expect(asked).toBeGreaterThan(nth)
})

describe('what an app provides and never gives', () => {
  /** A fetch that heeds no signal. */
  const deaf: typeof fetch = (input, { signal: _signal, ...init } = {}) => fetch(input, init)
  const never = () => new Promise<never>(() => {})
  const late = { code: 'NETWORK_ERROR', message: 'request failed: no response within 50 ms' }

  test.each([
    ['a fetch that heeds no signal', { fetch: deaf }],
    ['a fetch without end', { fetch: never }],
    ['a token', { token: never }],
    ['headers', { headers: never }],
    ['a body', { fetch: async () => new Response(new ReadableStream()) }],
    [
      'a text',
      { fetch: async () => ({ ok: true, status: 200, body: null, text: never }) as never as Response },
    ],
  ])(
    '%s: a call fails by its deadline, a watch ends with its signal and by return()',
    async (_name, options) => {
      const { baseUrl } = await startServer('no answer', false)
      const client = createTasksClient({ baseUrl, timeoutMs: 50, ...options })
      await expect(client.getTask('task_1')).rejects.toMatchObject(late)
      const stop = new AbortController()
      const watching = client.watch('task_1', { signal: stop.signal }).next()
      stop.abort(new Error('enough'))
      await expect(watching).rejects.toThrow('enough')
      const events = client.watchAll()
      const waiting = events.next()
      await events.return(undefined)
      expect(await waiting).toEqual({ done: true, value: undefined })
    },
  )

  test('a stream is closed all the same', async () => {
    const { server, baseUrl } = await startServer('streams of headers alone', false)
    const events = createTasksClient({ baseUrl, fetch: deaf }).watchAll()
    await events.next()
    await events.return(undefined)
    await expect.poll(() => server.openConnections()).toBe(0)
  })
})

test('a time beyond the longest timer is no time at all', async () => {
  const { baseUrl } = await startServer()
  for (const timeoutMs of [2 ** 31, Number.POSITIVE_INFINITY]) {
    const client = createTasksClient({ baseUrl, timeoutMs })
    expect(await client.getTask('task_1')).toMatchObject({ status: 'completed' })
  }
})

test.each([undefined, null, ''])('where the token is %j none is sent', async (token) => {
  const { baseUrl } = await startServer()
  const sent: (string | null)[] = []
  const listening: typeof fetch = (input, init) => {
    sent.push(new Headers(init?.headers).get('authorization'))
    return fetch(input, init)
  }
  await createTasksClient({ baseUrl, token: () => token as string, fetch: listening }).getTask('task_1')
  expect(sent).toEqual([null])
})

test('a list that is fetched again while it is read is what it is by then', async () => {
  let total = 1
  const gate = createGate()
  const asked = createGate()
  const answer: typeof fetch = async (input) => {
    if (String(input).includes('/events')) return new Promise(() => {})
    const response = new Response(
      JSON.stringify({ tasks: [], total, page: 1, pageSize: 50, nextCursor: null }),
    )
    asked.open()
    await gate.opened
    return response
  }
  const list = new ListStore(createTasksClient({ baseUrl: 'http://x/api', fetch: answer }), {}, undefined)
  onTestFinished(list.subscribe(() => {}))
  await asked.opened
  total = 2
  const fetched = list.refetch()
  gate.open()
  await fetched
  expect(list.read().list?.total).toBe(2)
})

test('a list keeps no task that it does not show', async () => {
  const { baseUrl } = await startServer()
  const client = createTasksClient({ baseUrl })
  const list = new ListStore(client, { status: ['failed'] }, undefined)
  await list.refetch()
  const task = (await client.listTasks()).tasks[0]
  if (!task) throw new Error('the server has a task')
  const passed = Array.from({ length: 100 }, (_, i) => {
    const other = { ...task, taskId: `other_${i}` }
    list.onTask(other)
    return new WeakRef(other)
  })
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  await expect
    .poll(() => {
      collect()
      return passed.filter((ref) => ref.deref()).length
    })
    .toBe(0)
  expect(list.read().error).toBeUndefined()
})

test('a call that gets no response fails by its deadline', async () => {
  const { baseUrl } = await startServer('no answer', false)
  const client = createTasksClient({ baseUrl, timeoutMs: 50 })
  await expect(client.getTask('task_1')).rejects.toMatchObject({
    code: 'NETWORK_ERROR',
    message: expect.stringContaining('no response within 50 ms'),
  })
  const reason = new Error('left')
  await expect(client.getTask('task_1', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})

test.each([
  ['120', 120],
  ['Wed, 01 Dec 2100 00:00:00 GMT', expect.any(Number)],
  ['Mon, 01 Dec 2025 00:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined],
])('Retry-After %j is %s seconds', async (header, seconds) => {
  const answer: typeof fetch = async () =>
    new Response('{}', { status: 503, headers: { 'retry-after': header } })
  const client = createTasksClient({ baseUrl: 'http://x/api', fetch: answer })
  await expect(client.getTask('task_1')).rejects.toMatchObject({ retryAfterSeconds: seconds })
})

test('an event of 16 MiB in chunks of 64 bytes is read in linear time', async () => {
  const data = JSON.stringify({
    taskId: 'task_1',
    status: 'running',
    attempts: [],
    result: 'x'.repeat(16 * 1_048_576),
  })
  const encoded = new TextEncoder().encode(`event: task\ndata: ${data}\n\n`)
  let sent = 0
  const body = new ReadableStream({
    pull(controller) {
      if (sent >= encoded.length) return controller.close()
      for (let i = 0; i < 1_000 && sent < encoded.length; i += 1) {
        controller.enqueue(encoded.subarray(sent, sent + 64))
        sent += 64
      }
    },
  })
  const answer: typeof fetch = async () =>
    new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  const events = createTasksClient({ baseUrl: 'http://x/api', fetch: answer }).watch('task_1')
  const { value } = await events.next()
  await events.return(undefined)
  expect(value).toMatchObject({ type: 'task' })
})

test('a poll of TanStack Query ends with the task, and with what is final', () => {
  const client = createTasksClient({ baseUrl: 'http://x/api' })
  const { refetchInterval, retry } = taskStatusQueryOptions(client, 'task_1', { pollIntervalMs: 700 })
  const gone = new TasksApiError('gone', { status: 404, code: 'TASK_NOT_FOUND' })
  const proxy = new TasksApiError('no', { status: 404, code: 'UNEXPECTED_STATUS' })
  expect(refetchInterval({ state: {} })).toBe(700)
  expect(refetchInterval({ state: { error: gone } })).toBe(false)
  expect(refetchInterval({ state: { error: proxy } })).toBeGreaterThan(700)
  expect([retry(0, gone), retry(0, proxy), retry(3, proxy)]).toEqual([false, true, false])
})
