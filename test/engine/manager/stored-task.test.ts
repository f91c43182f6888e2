import { describe, expect, test } from 'vitest'
import { useCreatedTasks } from './created-tasks.ts'

const { tables, createManager } = useCreatedTasks()

describe('params in the database', () => {
  test.each<[string, unknown]>([
    ['"600519"', '600519'],
    ['"000001"', '000001'],
    ['"true"', 'true'],
    ['"null"', 'null'],
    ['600519', 600519],
    ['true', true],
    ['null', null],
    ['"{\\"a\\",NULL,\\\\}"', '{"a",NULL,\\}'],
    ['{"汉":["😀",{"":null}]}', { 汉: ['😀', { '': null }] }],
    [`"${'x'.repeat(1_048_000)}"`, 'x'.repeat(1_048_000)],
  ])('are the JSON text %.40s', async (text, value) => {
    const manager = createManager()
    const { taskId, params } = await manager.createTask('elsewhere', { value })
    expect(params).toStrictEqual({ value })
    expect((await tables.read(taskId)).params).toEqual([
      expect.objectContaining({ key: 'value', value: text }),
    ])
    expect((await manager.getTask(taskId))?.params).toStrictEqual({ value })
  })

  test('keep odd keys apart', async () => {
    const manager = createManager()
    const params = { '': 1, '0': 2, constructor: 3, 'a"b': 4, 'a\\b': 5, NULL: 6, ['键'.repeat(100)]: 7 }
    const { taskId } = await manager.createTask('elsewhere', params)
    expect((await manager.getTask(taskId))?.params).toStrictEqual(params)
  })
})

describe('getTask', () => {
  test.each([
    '',
    ' ',
    'task_',
    'x',
    'task_\u0000',
    'task_a\n',
    "task_' or 1=1",
    `task_${'a'.repeat(1_000_000)}`,
  ])('finds nothing under %.30j', async (taskId) => {
    await tables.insert()
    expect(await createManager().getTask(taskId)).toBeUndefined()
  })

  test('finds nothing under what is no text', async () => {
    for (const id of [undefined, null, 7, {}]) {
      await expect(createManager().getTask(id as never)).resolves.toBeUndefined()
    }
  })
})
