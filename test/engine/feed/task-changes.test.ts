import { describe, expect, test } from 'vitest'
import type { TaskDetail } from '../../../src/contract/task.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { FeedEvent } from '../../../src/engine/feed/feed.ts'
import type { TaskChanges } from '../../../src/engine/manager/manager.ts'
import { expireTasks } from '../../../src/engine/store/expire.ts'
import { createGate } from '../../support/engine.ts'
import { eventsOf, leaving, useWatcher } from './watcher.ts'

const watcher = useWatcher('elsewhere', 'done_before')
const { engines, follow } = watcher
const { task } = createTaskRegistry()

describe('the stream of all tasks', () => {
  const followAll = () => watcher.feed.followAll({ signal: leaving().signal, idleMs: 60_000 })

  test('begins with what runs, and shows what is created, changes and ends', async () => {
    const gate = createGate()
    const wait = task('wait')(() => gate.opened)
    const { manager, events: engineEvents } = engines.start([wait], { concurrency: 1 })
    const started = new Promise((resolve) => engineEvents.once('started', resolve))
    const running = await manager.createTask(wait)
    await started
    const done = await manager.createTask('done_before')
    await manager.cancelTask(done.taskId)

    const events = eventsOf(await followAll())
    expect((await events.next()).value).toMatchObject({
      task: { taskId: running.taskId, status: 'running' },
    })
    const pending = await manager.createTask(wait)
    expect((await events.next()).value).toMatchObject({ task: { taskId: pending.taskId, status: 'pending' } })
    await manager.cancelTask(pending.taskId)
    expect((await events.next()).value).toMatchObject({
      task: { taskId: pending.taskId, status: 'cancelled' },
    })
    gate.open()
    const { value } = await events.next()
    expect(value).toMatchObject({ type: 'task', task: { taskId: running.taskId, status: 'completed' } })
    const summary = (await manager.listTasks({ q: running.taskId })).tasks[0]
    expect(value.task).toEqual(summary)
  })

  test('reports a task that ends between two polls', async () => {
    const quick = task('quick')(() => {})
    const { manager } = engines.start([quick])
    const events = eventsOf(await followAll())
    const next = events.next()
    const { taskId } = await manager.createTask(quick)
    await manager.waitFor(taskId)
    const seen = [await next]
    while (seen.at(-1)?.value.task.status !== 'completed') seen.push(await events.next())
    expect(new Set(seen.map(({ value }) => value.task.taskId))).toEqual(new Set([taskId]))
    expect(seen.length).toBeLessThanOrEqual(3)
  })
})

describe('a change of a task that waits', () => {
  const isTask = (taskId: string, fits: (seen: TaskDetail) => boolean) => (event: FeedEvent) =>
    event.type === 'task' && event.task.taskId === taskId && fits(event.task as TaskDetail)

  async function next(events: AsyncIterator<FeedEvent>, fits: (event: FeedEvent) => boolean) {
    for (;;) {
      const { value, done } = await events.next()
      if (done) throw new Error('ended before the event')
      if (fits(value)) return value
    }
  }

  test.each<[string, TaskChanges, (task: TaskDetail) => boolean]>([
    ['its priority', { priority: 7 }, ({ priority }) => priority === 7],
    ['its params', { params: { text: 'new' } }, ({ params }) => params.text === 'new'],
    ['its due time', { runAt: new Date('2099-01-01') }, ({ runAt }) => runAt.getUTCFullYear() === 2099],
  ])('of %s is shown to those who follow the task', async (_what, change, fits) => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('elsewhere', { text: 'old' }, { delayMs: 3_600_000 })
    const events = eventsOf(await follow(taskId))
    await next(
      events,
      isTask(taskId, () => true),
    )
    await manager.updateTask(taskId, change)
    await next(events, isTask(taskId, fits))
  })

  test('is shown to those who follow all tasks, as is its expiry', async () => {
    const { manager, db } = engines.create([])
    const { taskId } = await manager.createTask('elsewhere', {}, { delayMs: 3_600_000 })
    const other = await manager.createTask('elsewhere', {}, { expiresAt: new Date(Date.now() + 300) })
    const steps = await watcher.feed.followAll({ signal: leaving().signal, idleMs: 60_000 })
    const events = eventsOf(steps)
    await manager.updateTask(taskId, { runAt: new Date('2099-01-01') })
    const changed = await next(
      events,
      isTask(taskId, ({ runAt }) => runAt.getUTCFullYear() === 2099),
    )
    expect(changed).not.toHaveProperty('task.changedAt')
    await expect.poll(() => expireTasks(db)).toHaveLength(1)
    await next(
      events,
      isTask(other.taskId, ({ status, error }) => status === 'cancelled' && error === 'expired'),
    )
  })
})
