import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { currentTask } from '../../../src/engine/executor/attempt/running-task.ts'
import type { TaskEventMap } from '../../../src/engine/runtime/events.ts'
import { nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { NAMES } from './host-event-names.ts'

const engines = useEngines()

describe('a listener', () => {
  test('is not called again once it is removed, not even for an event that has just happened', async () => {
    const { task } = createTaskRegistry()
    const ok = task('ok')(() => {})
    const { manager, events } = engines.create([ok])
    const received: string[] = []
    const listener = ({ taskId }: { taskId: string }) => received.push(taskId)
    const removeFirst = manager.on('created', listener)
    const removeSecond = manager.on('created', listener)
    const removeLast = manager.on('created', () => {
      // Emitted, and not delivered yet.
      events.emit('created', { taskIds: ['task_x'], taskTypes: ['ok'], dueNow: false })
      removeSecond()
      removeLast()
    })
    const { taskId } = await manager.createTask(ok)
    expect(received).toEqual([taskId, taskId, 'task_x'])
    removeFirst()
    removeFirst()
    await manager.createTask(ok)
    expect(received).toHaveLength(3)
  })

  test('that no listener needs leave nothing behind in the engine', async () => {
    const { manager, events } = engines.create([])
    const count = () => events.eventNames().reduce((sum, name) => sum + events.listenerCount(name), 0)
    const before = count()
    const removers = NAMES.flatMap((name) => [manager.on(name, () => {}), manager.on(name, () => {})])
    expect(count()).toBeGreaterThan(before)
    for (const remove of removers) remove()
    expect(count()).toBe(before)
  })

  test.each(['throws', 'rejects'])(
    'that %s changes nothing, and is logged once for each cause',
    async (how) => {
      const { task } = createTaskRegistry()
      const ok = task('ok')(() => 'fine')
      const { manager, events } = engines.start([ok])
      const reports: TaskEventMap['hostListenerFailed'][0][] = []
      events.on('hostListenerFailed', (report) => reports.push(report))
      const fail = (message: string): unknown => {
        const error = new Error(message)
        if (how === 'throws') throw error
        return Promise.reject(error)
      }
      const received: string[] = []
      for (const name of NAMES) manager.on(name, ({ taskId }) => fail(`${name} broke for ${taskId}`))
      manager.on('completed', () => fail('another cause'))
      manager.on('completed', ({ taskId }) => received.push(taskId))
      const ids = []
      for (let i = 0; i < 3; i += 1) {
        const { taskId } = await manager.createTask(ok)
        expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'fine' })
        ids.push(taskId)
      }
      expect(received).toEqual(ids)
      expect(reports.map(({ event }) => event).toSorted()).toEqual([
        'completed',
        'completed',
        'created',
        'started',
      ])
      expect(reports.map(({ error }) => (error as Error).message)).toContain('another cause')
    },
  )

  test('runs outside of the handler that caused the event, and cannot change it for others', async () => {
    const { task } = createTaskRegistry()
    const child = task('child')(() => {})
    const parent = task('parent')(async (_params, ctx) => {
      expect(currentTask()).toMatchObject({ taskType: 'parent' })
      await ctx.createTask(child)
    })
    const { manager } = engines.start([child, parent])
    const created = Promise.withResolvers<unknown>()
    manager.on('created', (event) => {
      Reflect.set(event, 'taskType', 'changed')
      if (event.taskType === 'child') created.resolve(currentTask())
    })
    await manager.createTask(parent)
    expect(await created.promise).toBeUndefined()
  })

  test('may use the manager, and starts a query that it returns', async () => {
    const { task } = createTaskRegistry()
    const first = task('first')(() => {})
    const second = task('second')(() => {})
    const { manager, events } = engines.start([first, second])
    const { pool } = engines.database
    let isQueried = false
    manager.on('completed', async ({ taskType }) => {
      if (taskType === 'first') await manager.createTask(second)
    })
    manager.on('completed', () => ({
      // A query builder's statement runs when somebody waits for it.
      // biome-ignore lint/suspicious/noThenProperty: what the test is about
      async then(resolve: (value: unknown) => void) {
        await pool.query('select 1')
        isQueried = true
        resolve(undefined)
      },
    }))
    const ended = nextEvent(events, 'ended', ({ taskType }) => taskType === 'second')
    await manager.createTask(first)
    expect(await ended).toMatchObject({ outcome: 'completed' })
    await expect.poll(() => isQueried).toBe(true)
  })

  test.each([
    ['complete', '"complete" is no event of tasks, did you mean completed? (known: created, started'],
    ['ended', '"ended" is no event of tasks'],
    [7, '7 is no event of tasks (known: created, started, completed, failed, retrying, cancelled, stuck)'],
    [undefined, 'undefined is no event of tasks'],
    ['constructor', '"constructor" is no event of tasks'],
  ])('of %j is refused', async (name, message) => {
    const { manager } = engines.create([])
    expect(() => manager.on(name as never, () => {})).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    )
  })

  test.each([
    [undefined, 'undefined'],
    ['text', '"text"'],
    [{}, 'an object'],
  ])('that is %j is refused', async (listener, shown) => {
    const { manager } = engines.create([])
    expect(() => manager.on('failed', listener as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(`the listener of 'failed' must be a function, got ${shown}`),
      }),
    )
  })
})
