import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { FeedEvent } from '../../../src/engine/feed/feed.ts'
import { watchTask } from '../../../src/engine/feed/task-watch.ts'
import { createGate } from '../../support/engine.ts'
import { eventsOf, useWatcher } from './watcher.ts'

const watcher = useWatcher('elsewhere', 'nobody')
const { engines, follow } = watcher
const { task } = createTaskRegistry()

describe('what another process does', () => {
  test('is shown until the end, the log before it', async () => {
    const gate = createGate()
    const work = task('work')(async (_params, ctx) => {
      ctx.log.info('started')
      ctx.progress(1, 4, 'first')
      await gate.opened
      ctx.log.info('finishing')
      return 'done'
    })
    const { manager } = engines.start([work])
    const { taskId } = await manager.createTask(work)
    const seen: FeedEvent[] = []
    for await (const event of eventsOf(await follow(taskId))) {
      seen.push(event)
      const hasStarted = seen.some(({ type }) => type === 'log')
      const hasProgress = seen.some((one) => one.type === 'task' && one.task.step === 'first')
      if (hasStarted && hasProgress) gate.open()
    }
    const lines = seen.flatMap((event) => (event.type === 'log' ? event.line.message : []))
    expect(lines).toEqual(['started', 'finishing'])
    expect(seen.at(-1)).toEqual({ type: 'end', task: await manager.getTask(taskId) })
  })

  test.for(['', 'secret'])(
    'is shown with each step once, as the detail shows it (password: %s)',
    async (password) => {
      const gates = [createGate(), createGate()]
      const work = task(`steps_${password.length}`)(async (_params, ctx) => {
        await ctx.step('first', () => 1)
        await gates[0]?.opened
        await Promise.all(['second', 'third', `of ${password}`].map((name) => ctx.step(name, () => name)))
        await gates[1]?.opened
        ctx.progress(1, 2)
        await ctx.step('last', () => 1)
      })
      const { manager } = engines.start([work])
      const { taskId } = await manager.createTask(work, { password })
      await expect.poll(async () => (await manager.getTask(taskId))?.stepCount).toBe(1)
      const seen: FeedEvent[] = []
      const names = () => seen.flatMap((event) => (event.type === 'step' ? event.step.name : []))
      for await (const event of eventsOf(await follow(taskId))) {
        seen.push(event)
        if (event.type === 'task') gates[0]?.open()
        if (names().length === 3) gates[1]?.open()
      }
      expect(seen[0]).toMatchObject({ type: 'task', task: { stepCount: 1, steps: [{ name: 'first' }] } })
      const shown = password === '' ? 'of ' : 'of [redacted]'
      expect(names().toSorted()).toEqual(['last', shown, 'second', 'third'].toSorted())
      expect(seen.at(-1)).toMatchObject({ type: 'end', task: { stepCount: 5 } })
      // A later event of the task contains the steps that were sent before.
      const withProgress = seen.find((event) => event.type === 'task' && event.task.progress === 1)
      expect(withProgress).toSatisfy((event) => event === undefined || event.task.steps.length >= 4)
    },
  )

  test('is shown without the params that are kept out of sight', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('elsewhere', { user: 'ada', password: 'secret' })
    const { value } = await eventsOf(await follow(taskId)).next()
    expect(value).toMatchObject({ type: 'task', task: { params: { user: 'ada', password: '[redacted]' } } })
  })

  test('a failed try and the next one are seen, with the attempts', async () => {
    const work = task('fails_once', { maxRetries: 1, retryBaseMs: 1 })((_params, ctx) => {
      if (ctx.attempt === 1) throw new Error('not yet')
    })
    const { manager } = engines.create([work])
    const { taskId } = await manager.createTask(work)
    const events = eventsOf(await follow(taskId))
    expect((await events.next()).value).toMatchObject({ type: 'task', task: { status: 'pending' } })
    engines.start([work])
    const seen: FeedEvent[] = []
    for await (const event of events) seen.push(event)
    expect(seen.filter(({ type }) => type === 'log')).toMatchObject([
      { line: { level: 'ERROR', message: expect.stringContaining('not yet'), attempt: 1 } },
    ])
    expect(seen.at(-1)).toMatchObject({
      type: 'end',
      task: { status: 'completed', attempts: [{ outcome: 'failed' }, { outcome: 'completed' }] },
    })
  })

  test('a deleted task ends without an end; one that never was is refused', async () => {
    const { manager } = engines.create([])
    const { taskId } = await manager.createTask('nobody')
    const events = eventsOf(await follow(taskId))
    await events.next()
    await engines.database.pool.query('delete from async_tasks')
    expect(await events.next()).toEqual({ done: true, value: undefined })
    await expect(follow(taskId)).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    await expect(follow('nonsense')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
  })
})

test('a stream of a task that can no longer be read throws the error, also for the process itself', async () => {
  const { manager } = engines.create([])
  const { taskId } = await manager.createTask('nobody')
  const events = eventsOf(await follow(taskId))
  const watch = watchTask(watcher.feed, taskId, {})
  await Promise.all([events.next(), watch.next()])
  const { pool } = engines.database
  await pool.query('alter table async_task_attempts rename to elsewhere')
  await pool.query('update async_tasks set retry_count = 1 where task_id = $1', [taskId])
  const unreadable = { code: 'MIGRATION_FAILED' }
  await expect(events.next()).rejects.toMatchObject(unreadable)
  await expect(watch.next()).rejects.toMatchObject(unreadable)
  await expect(follow(taskId)).rejects.toMatchObject(unreadable)
})

test('a step that commits after a later one was seen is shown, too', { timeout: 30_000 }, async () => {
  const { manager } = engines.create([])
  const { taskId } = await manager.createTask('nobody')
  const { pool } = engines.database
  const insert = `insert into async_task_steps (task_id, name, attempt, started_at, ended_at)
                  values ($1, $2, 1, now(), now() + interval '1 hour')`
  const late = await watcher.openTransaction()
  await late.query(insert, [taskId, 'late'])
  await pool.query(insert, [taskId, 'seen'])
  const events = eventsOf(await follow(taskId))
  expect((await events.next()).value).toMatchObject({ type: 'task', task: { steps: [{ name: 'seen' }] } })
  await late.query('commit')
  expect((await events.next()).value).toMatchObject({ type: 'step', step: { name: 'late' } })
})

test('a viewer that leaves before the first poll gets an empty stream, and nothing runs for it', async () => {
  const { manager } = engines.create([])
  const { taskId } = await manager.createTask('nobody')
  const gone = { signal: AbortSignal.abort(), idleMs: 60_000 }
  for (const steps of [
    await watcher.feed.follow(taskId, { ...gone, afterId: 0 }),
    await watcher.feed.followAll(gone),
  ]) {
    for await (const step of steps) expect(step).toEqual([])
  }
  const leave = new AbortController()
  const entering = follow(taskId, 0, leave.signal)
  leave.abort()
  expect(await (await entering).next()).toEqual({ done: true, value: undefined })
  expect(watcher.feed.viewers).toBe(0)
})
