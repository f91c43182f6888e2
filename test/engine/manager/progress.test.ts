import { describe, expect, test } from 'vitest'
import { inStatus } from '../../support/task-rows.ts'
import { FINISHED, useSteeredTasks } from './steered-tasks.ts'

const { tables, insertBystanders, expectRefusal } = useSteeredTasks()

describe('updateProgress', () => {
  const RUNNING = inStatus('running')

  test.each<[string, object, [number, number?, string?], object]>([
    ['counts', {}, [3, 10, 'loading'], { progress: 3, total: 10, step: 'loading' }],
    [
      'keeps total and step that are not given',
      { total: 10, step: 's' },
      [3],
      { progress: 3, total: 10, step: 's' },
    ],
    ['never falls', { progress: 5, total: 10 }, [3], { progress: 5, total: 10 }],
    ['is bounded by a total that is given', {}, [5, 3], { progress: 3, total: 3 }],
    ['raises a total that it has passed', { progress: 5, total: 10 }, [12], { progress: 12, total: 12 }],
    [
      'lets a total shrink, to no less than what is done',
      { progress: 5, total: 10 },
      [5, 2],
      { progress: 5, total: 5 },
    ],
    ['knows no total as 0', { progress: 5, total: 10 }, [6, 0], { progress: 6, total: 0 }],
    ['takes the largest number', {}, [2_147_483_647, 2_147_483_647], { progress: 2_147_483_647 }],
    ['cuts a step after 200 characters', {}, [1, 2, 'x'.repeat(201)], { step: 'x'.repeat(200) }],
    ['replaces what no row can hold', {}, [1, 2, 'a\u0000\ud800'], { step: 'a\ufffd\ufffd' }],
  ])('%s', async (_what, columns, [current, total, step], expected) => {
    const { manager } = tables.createManager()
    const others = await insertBystanders()
    const taskId = await tables.insert({ ...RUNNING, ...columns })
    const before = await tables.row(taskId)
    const task = await manager.updateProgress(taskId, current, total, step)
    expect(task).toMatchObject(expected)
    expect(await tables.row(taskId)).toEqual({ ...before, ...pick(task, ['progress', 'total', 'step']) })
    expect((await tables.read()).tasks.filter((row) => row.task_id !== taskId)).toEqual(others.tasks)
  })

  test.each([...FINISHED, 'pending'] as const)('of a %s task is refused', async (status) => {
    await expectRefusal(status, (manager, taskId) => manager.updateProgress(taskId, 1, 2), 'TASK_NOT_RUNNING')
  })

  test.each<[string, unknown[]]>([
    ['/current', [-1]],
    ['/current', [1.5]],
    ['/current', [Number.NaN]],
    ['/current', [2_147_483_648]],
    ['/current', ['1']],
    ['/total', [1, -1]],
    ['/total', [1, Number.POSITIVE_INFINITY]],
    ['/step', [1, 2, 3]],
  ])('refuses what is at %s of %j', async (pointer, args) => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(RUNNING)
    const before = await tables.read()
    const [current, total, step] = args as [number, number?, string?]
    await expect(manager.updateProgress(taskId, current, total, step)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer }],
    })
    expect(await tables.read()).toEqual(before)
  })
})

function pick<T extends object>(object: T, keys: readonly (keyof T)[]): Partial<T> {
  return Object.fromEntries(keys.map((key) => [key, object[key]])) as Partial<T>
}
