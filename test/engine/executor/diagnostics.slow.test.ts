import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { DiagnosticsMessages } from '../../../src/index.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

type Name = keyof DiagnosticsMessages
type Published = { [N in Name]: [name: N, message: DiagnosticsMessages[N]] }[Name]

const NAMES: readonly Name[] = [
  'fastify-async-tasks:create',
  'fastify-async-tasks:attempt:start',
  'fastify-async-tasks:attempt:end',
]

/** Everything that is published until the test ends. */
function collect(): Published[] {
  const published: Published[] = []
  for (const name of NAMES) listen(name, (message) => published.push([name, message] as Published))
  return published
}

function listen(name: Name, listener: (message: unknown) => void): void {
  subscribe(name, listener)
  onTestFinished(() => void unsubscribe(name, listener))
}

/** By task and attempt: the next attempt may be claimed before the answer of the write that ended the last one. */
function sorted(published: Published[], taskIds: readonly string[]): Published[] {
  const rank = ([name, message]: Published) =>
    100 * taskIds.indexOf(message.taskId) +
    10 * ('attempt' in message ? message.attempt : 0) +
    NAMES.indexOf(name)
  return published.toSorted((a, b) => rank(a) - rank(b))
}

const order = (published: Published[]) => published.map(([name]) => name.replace('fastify-async-tasks:', ''))

test('the channels publish creates, and each attempt with its end', async () => {
  const { task } = createTaskRegistry()
  const alert = task('alert')(() => {})
  const work = task('work', { retryBaseMs: 0, maxRetries: 1, onFailed: alert, redact: ['secret'] })(
    ({ secret }) => {
      throw new Error(`no entry with ${secret}`)
    },
  )
  const { manager, events } = engines.start([work, alert])
  const published = collect()
  const alerted = nextEvent(events, 'ended', ({ taskType }) => taskType === 'alert')
  const { taskId } = await manager.createTask(work, { secret: 'open sesame' })
  const followUp = await alerted

  const task1 = { taskId, taskType: 'work' }
  const task2 = { taskId: followUp.taskId, taskType: 'alert' }
  const failure = { outcome: 'failed', error: 'no entry with [redacted]', durationMs: expect.any(Number) }
  expect(sorted(published, [taskId, followUp.taskId])).toEqual([
    ['fastify-async-tasks:create', { ...task1, committed: true }],
    ['fastify-async-tasks:attempt:start', { ...task1, attempt: 1 }],
    ['fastify-async-tasks:attempt:end', { ...task1, attempt: 1, ...failure, retryInMs: 0 }],
    ['fastify-async-tasks:attempt:start', { ...task1, attempt: 2 }],
    ['fastify-async-tasks:attempt:end', { ...task1, attempt: 2, ...failure }],
    ['fastify-async-tasks:create', { ...task2, committed: true }],
    ['fastify-async-tasks:attempt:start', { ...task2, attempt: 1 }],
    [
      'fastify-async-tasks:attempt:end',
      { ...task2, attempt: 1, outcome: 'completed', durationMs: expect.any(Number) },
    ],
  ])
})

test('a create in a transaction is not committed yet, and a duplicate is none', async () => {
  const { task } = createTaskRegistry()
  const work = task('work')(() => {})
  const { manager } = engines.create([work])
  const published = collect()
  await withTransaction(engines.database.pool, async (tx) => {
    await manager.createTask(work, {}, { tx, uniqueKey: 'one' })
    await manager.createTasks([{ task: work }, { task: work, uniqueKey: 'one' }], { tx })
  })
  await manager.createTask(work, {}, { uniqueKey: 'one' })
  expect(published.map(([, message]) => message)).toMatchObject([{ committed: false }, { committed: false }])
})

describe('an attempt', () => {
  test('that sleeps says when the next one follows', async () => {
    const { task } = createTaskRegistry()
    const nap = task('nap')((_params, ctx) => ctx.sleep('nap', { hours: 1 }))
    const { manager, events } = engines.start([nap])
    const published = collect()
    const slept = nextEvent(events, 'ended')
    const { taskId } = await manager.createTask(nap)
    await slept
    const end = { taskId, taskType: 'nap', attempt: 1, outcome: 'sleeping', durationMs: expect.any(Number) }
    expect(published.slice(2)).toEqual([
      ['fastify-async-tasks:attempt:end', { ...end, wakesInMs: 3_600_000 }],
    ])
  })

  test('that ignores its cancel ends once, when its grace is over', async () => {
    const { task } = createTaskRegistry()
    const [gate, started] = [createGate(), createGate()]
    const deaf = task('deaf')(() => {
      started.open()
      return gate.opened
    })
    const { manager, events, executor } = engines.start([deaf], { cancelGraceMs: 10 })
    const published = collect()
    const { taskId } = await manager.createTask(deaf)
    await started.opened
    const stuck = nextEvent(events, 'stuck')
    await manager.cancelTask(taskId)
    await stuck
    const end = { taskId, taskType: 'deaf', attempt: 1, outcome: 'cancelled', durationMs: expect.any(Number) }
    expect(published.slice(2)).toEqual([['fastify-async-tasks:attempt:end', end]])
    gate.open()
    await executor.stop()
    expect(order(published)).toEqual(['create', 'attempt:start', 'attempt:end'])
  })

  test('that a stop interrupts ends as interrupted, and its successor starts anew', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const long = task('long')((_params, { signal }) => {
      started.open()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const { manager, executor } = engines.start([long], { shutdownTimeoutMs: 10_000 })
    const published = collect()
    const { taskId } = await manager.createTask(long)
    await started.opened
    await executor.stop()
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending' })
    expect(order(published)).toEqual(['create', 'attempt:start', 'attempt:end'])
    expect(published.at(-1)?.[1]).toMatchObject({ taskId, outcome: 'interrupted' })
  })

  test('has the stores that are bound to its start, from the first parse to its last promise', async () => {
    const { task } = createTaskRegistry()
    const store = new AsyncLocalStorage<unknown>()
    const start = channel('fastify-async-tasks:attempt:start')
    start.bindStore(store)
    onTestFinished(() => void start.unbindStore(store))
    const seen: unknown[] = []
    const work = task('work')(async () => {
      seen.push(store.getStore())
      await Promise.resolve()
      seen.push(store.getStore())
    })
    const { manager } = engines.start([work])
    const { taskId } = await manager.createTask(work)
    await manager.waitFor(taskId)
    const message = { taskId, taskType: 'work', attempt: 1 }
    expect(seen).toEqual([message, message])
    expect(store.getStore()).toBeUndefined()
  })
})

test('a subscriber that throws changes no create and no outcome: Node raises its error by itself', async () => {
  const uncaught: unknown[] = []
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error, origin) => uncaught.push([error.message, origin]))
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)
  })
  const { task } = createTaskRegistry()
  const work = task('work')(() => 'done')
  const { manager } = engines.start([work])
  for (const name of NAMES) {
    listen(name, () => {
      throw new Error(`of ${name}`)
    })
  }
  const published = collect()
  const { taskId } = await manager.createTask(work)
  const ended = await manager.waitFor(taskId)
  expect(ended).toMatchObject({
    status: 'completed',
    result: 'done',
    retryCount: 0,
    attempts: [{ attempt: 1 }],
  })
  expect(order(published)).toEqual(['create', 'attempt:start', 'attempt:end'])
  await expect.poll(() => uncaught).toEqual(NAMES.map((name) => [`of ${name}`, 'uncaughtException']))
})
