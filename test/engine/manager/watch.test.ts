import { describe, expect, onTestFinished, test } from 'vitest'
import type { TaskStreamEvent } from '../../../src/contract/events.ts'
import { partsOf } from '../../../src/engine/create/manager-parts.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const engines = useEngines()

function createManager(): TaskManager {
  const { manager } = tables.createManager([])
  onTestFinished(() => manager.close())
  return manager
}

const viewersOf = (manager: TaskManager) => partsOf(manager).feed.viewers

async function readAll(events: AsyncIterable<TaskStreamEvent>): Promise<TaskStreamEvent[]> {
  const all: TaskStreamEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

describe('watch', () => {
  test('yields the task, each line of its log and its end, as it runs', async () => {
    const { task } = createTaskRegistry()
    const gate = createGate()
    const talk = task('talk')(async (_params, ctx) => {
      ctx.log.info('before')
      ctx.progress(1, 2, 'half')
      await gate.opened
      ctx.log.warn('after')
      return { at: 'the end' }
    })
    const { manager, executor } = engines.create([talk])
    onTestFinished(() => manager.close())
    executor.start()
    const { taskId } = await manager.createTask(talk)
    const events: TaskStreamEvent[] = []
    for await (const event of manager.watch(taskId)) {
      events.push(event)
      if (event.type === 'task' && event.task.step === 'half') gate.open()
    }
    const lines = events.flatMap((event) => (event.type === 'log' ? event.line.message : []))
    expect(lines).toEqual(['before', 'after'])
    expect(events[0]).toMatchObject({ type: 'task', task: { taskId } })
    expect(events.at(-1)).toEqual({ type: 'end', task: await manager.getTask(taskId) })
    expect(viewersOf(manager)).toBe(0)
  })

  test('of a task that has ended yields its log and its end, from a line on if wanted', async () => {
    const manager = createManager()
    const taskId = await tables.insert(inStatus('completed'))
    for (const line of ['one', 'two']) await manager.logMessage(taskId, 'INFO', line)
    const events = await readAll(manager.watch(taskId))
    expect(events.map(({ type }) => type)).toEqual(['task', 'log', 'log', 'end'])
    const [, first] = events
    const afterId = first?.type === 'log' ? first.line.id : 0
    const rest = await readAll(manager.watch(taskId, { afterId }))
    expect(rest.map(({ type }) => type)).toEqual(['task', 'log', 'end'])
  })

  test('holds nothing before it begins, and nothing after a loop that is left', async () => {
    const manager = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const unused = manager.watch(taskId)
    expect(viewersOf(manager)).toBe(0)
    for await (const event of manager.watch(taskId)) {
      expect(event.type).toBe('task')
      expect(viewersOf(manager)).toBe(1)
      break
    }
    expect(viewersOf(manager)).toBe(0)
    await unused.return()
    expect(await unused.next()).toEqual({ done: true, value: undefined })
  })

  test('ends by return at once, also while it waits for what comes next', async () => {
    const manager = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const events = manager.watch(taskId)
    expect((await events.next()).value).toMatchObject({ type: 'task' })
    const waiting = events.next()
    expect(await events.return()).toEqual({ done: true, value: undefined })
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(viewersOf(manager)).toBe(0)
  })

  test('ends with the reason of its signal', async () => {
    const manager = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const leaving = new AbortController()
    const events = manager.watch(taskId, { signal: leaving.signal })
    await events.next()
    const waiting = events.next()
    leaving.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(viewersOf(manager)).toBe(0)
    await expect(manager.watch(taskId, { signal: leaving.signal }).next()).rejects.toThrow('enough')
  })

  test('of a task that is not there, or is deleted, throws TASK_NOT_FOUND', async () => {
    const manager = createManager()
    for (const taskId of ['task_none', 'nonsense', '']) {
      await expect(manager.watch(taskId).next()).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    }
    const taskId = await tables.insert(inStatus('running'))
    const events = manager.watch(taskId)
    await events.next()
    const waiting = events.next()
    await tables.pool.query('delete from async_tasks where task_id = $1', [taskId])
    await expect(waiting).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    expect(viewersOf(manager)).toBe(0)
  })

  test('ends with SHUTTING_DOWN when the app closes, and does not begin after that', async () => {
    const manager = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const events = manager.watch(taskId)
    await events.next()
    const waiting = events.next()
    manager.close()
    await expect(waiting).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    await expect(manager.watch(taskId).next()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })

  test('gives each viewer events of its own', async () => {
    const manager = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const [one, other] = [manager.watch(taskId), manager.watch(taskId)]
    const first = (await one.next()).value
    if (first?.type !== 'task') throw new Error('expected the task')
    first.task.taskType = 'changed'
    expect((await other.next()).value).toMatchObject({ task: { taskType: 'inserted' } })
    await Promise.all([one.return(), other.return()])
  })

  test.each<[string, object]>([
    ['/afterId', { afterId: -1 }],
    ['/afterId', { afterId: '7' }],
    ['/signal', { signal: {} }],
    ['', { afterID: 7 }],
  ])('refuses what is wrong at %j: %o', async (pointer, options) => {
    const manager = createManager()
    expect(() => manager.watch('task_1', options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', problems: [expect.objectContaining({ pointer })] }),
    )
  })
})
