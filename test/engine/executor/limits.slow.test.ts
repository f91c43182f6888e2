import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskOptions } from '../../../src/engine/definition/task.ts'
import { PRUNE_START, pruneStep } from '../../../src/engine/store/prune.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

/** A handler that says how many of its kind were in it at once, over all engines of the test. */
function crowd(options: TaskOptions = {}, type = 'crowd') {
  const { task } = createTaskRegistry()
  const seen = { running: 0, most: 0, done: 0 }
  const handler = task(
    type,
    options,
  )(async () => {
    seen.running += 1
    seen.most = Math.max(seen.most, seen.running)
    await new Promise(setImmediate)
    seen.running -= 1
    seen.done += 1
  })
  return { handler, seen }
}

const times = <T>(count: number, item: T) => Array.from({ length: count }, () => item)

describe('limits', () => {
  test('concurrency: no more tasks of a type in a process than it says, and others beside them', async () => {
    const few = crowd({ concurrency: 2 }, 'few')
    const many = crowd({}, 'many')
    const { manager } = engines.start([few.handler, many.handler], { concurrency: 8 })
    await manager.createTasks([...times(40, { task: few.handler }), ...times(40, { task: many.handler })])
    await expect.poll(() => few.seen.done + many.seen.done).toBe(80)
    expect(few.seen.most).toBe(2)
    expect(many.seen.most).toBeGreaterThan(2)
  })

  test('globalConcurrency: never more over all executors, and nothing waits for a poll interval', async () => {
    const { handler, seen } = crowd({ globalConcurrency: 3 })
    const settings = { concurrency: 4, pollIntervalMs: 60_000 }
    const { manager } = engines.start([handler], settings)
    engines.start([handler], settings)
    engines.start([handler], settings)
    await manager.createTasks(times(200, { task: handler }))
    await expect.poll(() => seen.done).toBe(200)
    expect(seen.most).toBeLessThanOrEqual(3)
    expect(seen.most).toBeGreaterThan(1)
  })

  test('globalConcurrency: with many slots, too, the next one takes the slot of the last, and no other task', async () => {
    const slots = 32
    const { task } = createTaskRegistry()
    const gate = createGate()
    const { handler, seen } = crowd({ globalConcurrency: 1, priority: 10 })
    let others = 0
    const slow = task('slow')(() => {
      others += 1
      return gate.opened
    })
    const { manager } = engines.start([handler, slow], { concurrency: slots, pollIntervalMs: 60_000 })
    await manager.createTasks(times(200, { task: handler }))
    await expect.poll(() => seen.done).toBeGreaterThan(0)
    await manager.createTasks(times(2 * slots, { task: slow }))
    await expect.poll(() => seen.done).toBe(200)
    expect(others).toBeLessThanOrEqual(slots)
    gate.open()
    await expect.poll(() => others).toBe(2 * slots)
  })

  test('globalConcurrency: a handler that ignores its cancel counts until it returns', async () => {
    const { task } = createTaskRegistry()
    const gate = createGate()
    const deaf = task('deaf', { globalConcurrency: 1 })(() => gate.opened)
    const marker = task('marker')(() => {})
    const { manager, events } = engines.start([deaf, marker], { concurrency: 4, pollIntervalMs: 20 })
    const started = nextEvent(events, 'started')
    const first = await manager.createTask(deaf)
    await started
    await manager.cancelTask(first.taskId)
    const second = await manager.createTask(deaf)
    const startsAgain = nextEvent(events, 'started', ({ taskId }) => taskId === second.taskId)
    // Claims that would have taken it pass by.
    for (let i = 0; i < 5; i += 1) await manager.waitFor((await manager.createTask(marker)).taskId)
    expect(await manager.getTask(second.taskId)).toMatchObject({ status: 'pending' })
    gate.open()
    await startsAgain
  })

  test.each<[string, TaskOptions]>([
    ['globalConcurrency', { globalConcurrency: 1 }],
    ['concurrencyKey', { concurrencyKey: () => 'k' }],
  ])('%s: a handler that still runs counts, and its task is not deleted', async (_limit, options) => {
    const { task } = createTaskRegistry()
    const gate = createGate()
    const deaf = task('deaf', options)(() => gate.opened)
    const marker = task('marker')(() => {})
    const settings = { concurrency: 4, pollIntervalMs: 20 }
    const { db, manager, events } = engines.start([deaf, marker], settings)
    const started = nextEvent(events, 'started')
    const { taskId } = await manager.createTask(deaf)
    await started
    await manager.cancelTask(taskId)
    const refused = { taskId, ok: false, code: 'TASK_STILL_STOPPING' }
    await expect(manager.deleteTask(taskId)).rejects.toMatchObject({ code: refused.code })
    expect((await manager.bulk({ action: 'delete', taskIds: [taskId] })).results).toEqual([refused])
    expect((await manager.bulk({ action: 'delete', filter: { taskType: 'deaf' } })).results).toEqual([])
    expect(await pruneStep(db, 'deaf', 0, PRUNE_START)).toMatchObject({ pruned: 0 })
    const second = await manager.createTask(deaf)
    const startsAgain = nextEvent(events, 'started', (event) => event.taskId === second.taskId)
    for (let i = 0; i < 5; i += 1) await manager.waitFor((await manager.createTask(marker)).taskId)
    expect(await manager.getTask(second.taskId)).toMatchObject({ status: 'pending' })
    gate.open()
    await startsAgain
    await manager.deleteTask(taskId)
  })

  test('globalConcurrency: room that one process leaves is used by another at once', async () => {
    const gate = createGate()
    const one = createTaskRegistry().task('one', { globalConcurrency: 1 })(() => 'ran')
    const held = createTaskRegistry().task('one', { globalConcurrency: 1 })(() => gate.opened)
    const settings = { concurrency: 1, pollIntervalMs: 60_000 }
    const other = createTaskRegistry().task('other')(() => {})
    const leaving = engines.start([held, other], settings, { hears: true })
    const left: (readonly string[])[] = []
    leaving.events.on('capacityReleased', ({ taskTypes }) => left.push(taskTypes))
    const started = nextEvent(leaving.events, 'started')
    const { taskId } = await leaving.manager.createTask(held)
    await started
    const staying = engines.start([one], settings, { hears: true })
    const listeners = `select from pg_stat_activity where datname = current_database() and query like 'listen%'`
    await expect.poll(async () => (await engines.database.pool.query(listeners)).rowCount).toBe(2)
    const next = await staying.manager.createTask(one)
    const stopped = leaving.executor.stop()
    gate.open()
    await stopped
    // At the end of the task, and once more at that of the stop.
    expect(left).toEqual([['one'], ['one', 'other']])
    expect(await staying.manager.getTask(taskId)).toMatchObject({ status: 'completed' })
    expect(await staying.manager.waitFor(next.taskId, { timeoutMs: 20_000 })).toMatchObject({ result: 'ran' })
  })

  test('a limited type shares slots with others in the order of all tasks', async () => {
    const limited = crowd({ globalConcurrency: 5 }, 'limited')
    const plain = crowd({}, 'plain')
    const order: string[] = []
    const { manager, executor, events } = engines.create([limited.handler, plain.handler], { concurrency: 1 })
    events.on('started', ({ taskType }) => order.push(taskType))
    const past = (seconds: number) => new Date(Date.now() - seconds * 1_000)
    await manager.createTasks([
      { task: plain.handler, runAt: past(50) },
      { task: limited.handler, runAt: past(40) },
      { task: plain.handler, runAt: past(30) },
      { task: limited.handler, runAt: past(20) },
    ])
    executor.start()
    await expect.poll(() => order.length).toBe(4)
    expect(order.filter((type) => type === 'limited')).toHaveLength(2)
    expect(order[0]).toBe('plain')
  })

  test('a limited type with a backlog leaves slots to another one whose tasks come first', async () => {
    const [long, short] = [crowd({ globalConcurrency: 5 }, 'long'), crowd({ globalConcurrency: 5 }, 'short')]
    const order: string[] = []
    const { manager, events } = engines.start([long.handler, short.handler], { concurrency: 1 })
    events.on('started', ({ taskType }) => order.push(taskType))
    await manager.createTasks(times(300, { task: long.handler }))
    await expect.poll(() => order.length).toBeGreaterThan(0)
    await manager.createTask(short.handler, {}, { priority: 10 })
    await expect.poll(() => order.length).toBe(301)
    expect(order.indexOf('short')).toBeLessThan(250)
  })
})

test('a limited type starts without a poll after others that came first, although nothing else happens', async () => {
  const { task } = createTaskRegistry()
  const limited = task('limited', { globalConcurrency: 5 })(() => {})
  const first = task('first', { priority: 9 })(() => {})
  const { manager, executor } = engines.create([limited, first], { concurrency: 2, pollIntervalMs: 60_000 })
  const { taskId } = await manager.createTask(limited)
  await manager.createTasks(times(4, { task: first }))
  executor.start()
  expect((await manager.waitFor(taskId, { timeoutMs: 30_000 })).status).toBe('completed')
})

describe('a paused type', () => {
  const settings = { concurrency: 4, pollIntervalMs: 60_000 }

  test('is not claimed from when the pause has returned until it is resumed, in any process', async () => {
    const { handler, seen } = crowd()
    const { manager } = engines.start([handler], settings, { hears: true })
    const other = engines.start([handler], settings, { hears: true })
    await manager.createTasks(times(400, { task: handler }))
    await expect.poll(() => seen.done).toBeGreaterThan(0)
    expect(await manager.pauseTaskType('crowd')).toMatchObject({ taskType: 'crowd', paused: true })
    const begun = await engines.database.pool.query('select from async_tasks where attempt > 0')
    await expect.poll(async () => (await manager.listTasks({ status: ['running'] })).total).toBe(0)
    other.executor.wake()
    const later = await engines.database.pool.query('select from async_tasks where attempt > 0')
    expect(later.rowCount).toBe(begun.rowCount)
    expect(await manager.listTaskTypes()).toMatchObject([{ taskType: 'crowd', paused: true }])
    expect(await manager.pauseTaskType('crowd')).toMatchObject({ paused: true })
    expect(await manager.resumeTaskType('crowd')).toMatchObject({ paused: false })
    await expect.poll(() => seen.done).toBe(400)
  })

  test('may be one that only another process knows; one that no process knows is refused', async () => {
    const { handler } = crowd()
    const elsewhere = engines.start([handler], settings)
    const { manager } = engines.create([])
    await expect(manager.pauseTaskType('nobody_knows')).rejects.toMatchObject({ code: 'UNKNOWN_TASK_TYPE' })
    await expect.poll(async () => (await manager.listExecutors()).length).toBe(1)
    expect(await manager.pauseTaskType('crowd')).toMatchObject({ paused: true })
    const { taskId } = await elsewhere.manager.createTask(handler)
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending' })
    await elsewhere.manager.resumeTaskType('crowd')
    expect(await elsewhere.manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
  })
})
