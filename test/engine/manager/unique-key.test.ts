import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { nextEvent } from '../../support/engine.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const plain = task('plain')(() => undefined)
const other = task('other')(() => undefined)

const createManager = () => tables.createManager([plain, other]).manager
const withKey = (uniqueKey: string) => ({ uniqueKey })

describe('a unique key', () => {
  test('has one unfinished task, over all types; who comes second is given it', async () => {
    const manager = createManager()
    const first = await manager.createTask(plain, { day: 1 }, withKey('k'))
    expect(first).toMatchObject({ created: true, uniqueKey: 'k', params: { day: 1 } })
    const second = await manager.createTask(other, { day: 2 }, { uniqueKey: 'k', priority: 9 })
    expect(second).toEqual({ ...first, created: false })
    expect(await manager.createTask(plain, {}, withKey('K'))).toMatchObject({ created: true })
    expect((await tables.read()).tasks).toHaveLength(2)
  })

  test('shows the one that has it as it is now', async () => {
    const manager = createManager()
    const taskId = await tables.insert({ ...inStatus('running'), unique_key: 'k', progress: 2, total: 5 })
    await tables.pool.query(`insert into async_task_params (task_id, key, value) values ($1, 'day', '"1"')`, [
      taskId,
    ])
    const found = await manager.createTask(plain, { day: 2 }, withKey('k'))
    expect(found).toEqual({ ...(await manager.getTask(taskId)), created: false })
    expect(found).toMatchObject({ status: 'running', percent: 40, params: { day: '1' } })
  })

  test.each(['completed', 'failed', 'cancelled'] as const)(
    'is free again once its task is %s',
    async (status) => {
      await tables.insert({ ...inStatus(status), unique_key: 'k' })
      expect(await createManager().createTask(plain, {}, withKey('k'))).toMatchObject({ created: true })
    },
  )

  test('makes one task of many creates at once, in one process or in two', async () => {
    const [left, right] = [createManager(), createManager()]
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        (i % 2 === 0 ? left : right).createTask(plain, { i }, withKey(`k${i % 5}`)),
      ),
    )
    expect(answers.filter((answer) => answer.created)).toHaveLength(5)
    const { tasks, params } = await tables.read()
    expect(tasks).toHaveLength(5)
    expect(params).toHaveLength(5)
    expect(new Set(answers.map((answer) => answer.taskId))).toEqual(new Set(tasks.map((row) => row.task_id)))
  })

  test('that meets the limit of its column is stored; what is longer or cannot be stored is refused', async () => {
    const manager = createManager()
    const longest = '😀'.repeat(127)
    expect(await manager.createTask(plain, {}, withKey(longest))).toMatchObject({ uniqueKey: longest })
    for (const uniqueKey of ['', 'x'.repeat(256), 'a\u0000', '\ud800', 7, null]) {
      await expect(manager.createTask(plain, {}, { uniqueKey } as never)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        problems: [{ pointer: '/uniqueKey' }],
      })
    }
  })

  test('in use rejects when asked to, and names who has it', async () => {
    const manager = createManager()
    const options = { uniqueKey: 'k', onDuplicate: 'reject' } as const
    const { taskId } = await manager.createTask(plain, {}, options)
    await expect(manager.createTask(plain, {}, options)).rejects.toMatchObject({
      code: 'DUPLICATE_TASK',
      message: expect.stringContaining(taskId),
    })
    // Asked at once: the one that made it, and the others.
    const answers = await Promise.allSettled(
      Array.from({ length: 10 }, () => manager.createTask(plain, {}, { ...options, uniqueKey: 'at once' })),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await tables.read()).tasks).toHaveLength(2)
  })

  test('announces the task that was made, and no other', async () => {
    const { manager, events } = tables.createManager([plain])
    const { taskId } = await manager.createTask(plain, {}, withKey('k'))
    const announced = nextEvent(events, 'created')
    await manager.createTask(plain, {}, withKey('k'))
    const next = await manager.createTask(plain)
    expect((await announced).taskIds).toEqual([next.taskId])
    expect(next.taskId).not.toBe(taskId)
  })
})

describe('createTasks with unique keys', () => {
  test('returns each item, equal keys of one call among them', async () => {
    const manager = createManager()
    const held = await manager.createTask(plain, { i: 'held' }, withKey('held'))
    const answers = await manager.createTasks([
      { task: plain, params: { i: 0 }, uniqueKey: 'b' },
      { task: other, params: { i: 1 } },
      { task: plain, params: { i: 2 }, uniqueKey: 'a' },
      { task: other, params: { i: 3 }, uniqueKey: 'b' },
      { task: other, params: { i: 4 }, uniqueKey: 'held' },
    ])
    expect(answers.map(({ created }) => created)).toEqual([true, true, true, false, false])
    expect(answers.map(({ params }) => params.i)).toEqual([0, 1, 2, 0, 'held'])
    expect(answers[3]).toEqual({ ...answers[0], created: false })
    expect(answers[4]).toEqual({ ...held, created: false })
    const { tasks, params } = await tables.read()
    expect([tasks.length, params.length]).toEqual([4, 4])
  })

  test('finds the one that has a key among a thousand', async () => {
    const manager = createManager()
    const items = Array.from({ length: 1_000 }, (_, i) => ({
      task: plain,
      params: { i },
      uniqueKey: `k${i}`,
    }))
    const first = await manager.createTasks(items)
    expect(first.every(({ created }) => created)).toBe(true)
    const again = await manager.createTasks(items.toReversed())
    expect(again.toReversed()).toEqual(first.map((answer) => ({ ...answer, created: false })))
  })

  test('makes none when one that is in use is to be rejected', async () => {
    const manager = createManager()
    await manager.createTask(plain, {}, withKey('held'))
    const before = await tables.read()
    const items = [
      { task: plain, uniqueKey: 'free' },
      { task: plain },
      { task: plain, uniqueKey: 'held', onDuplicate: 'reject' as const },
    ]
    await expect(manager.createTasks(items)).rejects.toMatchObject({ code: 'DUPLICATE_TASK' })
    expect(await tables.read()).toEqual(before)
  })

  test('of two processes with the same keys in opposite order never wait for each other', async () => {
    const managers = [createManager(), createManager()]
    const keys = Array.from({ length: 300 }, (_, i) => `k${i}`)
    const rounds = Array.from({ length: 10 }, (_, round) => round)
    const answers = await Promise.all(
      managers.flatMap((manager, i) =>
        rounds.map((round) => {
          const items = keys.map((key) => ({ task: plain, uniqueKey: `${round} ${key}` }))
          return manager.createTasks(i === 0 ? items : items.toReversed())
        }),
      ),
    )
    expect(answers.flat().filter(({ created }) => created)).toHaveLength(3_000)
  })
})

describe("an operator's retry", () => {
  const expectRefused = async (manager: TaskManager, taskId: string) => {
    await expect(manager.retryTask(taskId)).rejects.toMatchObject({
      code: 'DUPLICATE_TASK',
      message: expect.stringContaining(taskId),
    })
  }

  test('is refused while another task has the key, and changes nothing', async () => {
    const manager = createManager()
    const ended = await tables.insert({ ...inStatus('failed'), unique_key: 'k' })
    const { taskId } = await manager.createTask(plain, {}, withKey('k'))
    const before = await tables.read()
    await expectRefused(manager, ended)
    expect(await tables.read()).toEqual(before)
    await manager.cancelTask(taskId)
    expect(await manager.retryTask(ended)).toMatchObject({ status: 'pending', uniqueKey: 'k' })
    await expectRefused(manager, taskId)
  })
})
