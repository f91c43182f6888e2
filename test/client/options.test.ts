import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { describe, expect, test } from 'vitest'
import { createTasksClient } from '../../src/client/index.ts'
import {
  TasksClientProvider,
  taskStatusQueryOptions,
  useTaskList,
  useTaskLogs,
  useTaskStatus,
} from '../../src/client/react/index.ts'

const baseUrl = 'http://127.0.0.1:9/api/admin'
const client = createTasksClient({ baseUrl, fetch: () => Promise.reject(new Error('nothing is to be sent')) })

/** A component that calls the hook. */
function Caller({ hook }: { hook: () => unknown }) {
  return createElement('p', null, typeof hook())
}

const render = (hook: () => unknown) =>
  renderToString(createElement(TasksClientProvider, { client }, createElement(Caller, { hook })))

describe('an option that does not exist is named, with the nearest one', () => {
  test.each<[string, () => unknown, RegExp]>([
    [
      'the client',
      () => createTasksClient({ baseUrl, tokens: 'x' } as never),
      /tokens .*did you mean token\?/,
    ],
    ['the client', () => createTasksClient({ baseURL: '/x' } as never), /baseURL .*did you mean baseUrl\?/],
    ['the client', () => createTasksClient({} as never), /baseUrl must be a string/],
    ['the client', () => createTasksClient('/api/admin' as never), /must be an object, got string/],
    ['the client', () => createTasksClient(undefined as never), /baseUrl must be a string/],
    ['watch', () => client.watch('task_1', { log: false } as never), /watch: log .*did you mean logs\?/],
    ['watchAll', () => client.watchAll({ afterId: 1 } as never), /watchAll: afterId is not a known option/],
    ['query options', () => taskStatusQueryOptions(client, 't', { pollMs: 1 } as never), /pollIntervalMs\?/],
    ['useTaskStatus', () => render(() => useTaskStatus('t', { onCompleted() {} } as never)), /onComplete\?/],
    [
      'useTaskLogs',
      () => render(() => useTaskLogs('t', { level: 'INFO' } as never)),
      /did you mean minLevel\?/,
    ],
    ['useTaskList', () => render(() => useTaskList({}, { enable: true } as never)), /did you mean enabled\?/],
  ])('of %s', (_name, call, message) => {
    expect(call).toThrow(expect.objectContaining({ name: 'TypeError' }))
    expect(call).toThrow(message)
  })

  test.each<[string, () => unknown, string]>([
    ['the client', () => createTasksClient({ baseUrl, timeoutMs: 0 }), 'timeoutMs'],
    ['watch', () => client.watch('task_1', { pollIntervalMs: 0 }), 'pollIntervalMs'],
    ['watchAll', () => client.watchAll({ pollIntervalMs: -1 }), 'pollIntervalMs'],
    [
      'query options',
      () => taskStatusQueryOptions(client, 't', { pollIntervalMs: Number.NaN }),
      'pollIntervalMs',
    ],
    [
      'useTaskStatus',
      () => render(() => useTaskStatus('t', { pollIntervalMs: '5' as never })),
      'pollIntervalMs',
    ],
    ['useTaskLogs', () => render(() => useTaskLogs('t', { pollIntervalMs: 0 })), 'pollIntervalMs'],
  ])('a time that is none, of %s', (_name, call, option) => {
    expect(call).toThrow(`${option} must be a positive number of milliseconds, got `)
  })

  test.each([
    [{ ms: 5 }, 'an object'],
    [Object.create(null), 'an object'],
    [[5], 'an array'],
    ['5', '"5"'],
    [() => 5, 'a function'],
  ])('a time that is %o is described', (timeoutMs, got) => {
    expect(() => createTasksClient({ baseUrl, timeoutMs } as never)).toThrow(
      new TypeError(`createTasksClient: timeoutMs must be a positive number of milliseconds, got ${got}`),
    )
  })

  test('of a call', async () => {
    const call = client.getTask('task_1', { abort: new AbortController().signal } as never)
    await expect(call).rejects.toThrow(/abort is not a known option/)
  })
})
