import { expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager, TaskQuery } from '../../../src/engine/manager/manager.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const { task } = createTaskRegistry()
const anything = task('anything', { params: z.record(z.string(), z.json()) })(() => {})
const pay = task('pay', {
  params: z.record(z.string(), z.json()),
  redact: ['password', 'card.number'],
})(() => {})

async function previewOf(manager: TaskManager, query: TaskQuery = {}) {
  const { tasks } = await manager.listTasks(query)
  return tasks.map(({ paramsPreview }) => paramsPreview)
}

test.each<[params: Record<string, z.core.util.JSONType>, preview: string | undefined]>([
  [{}, undefined],
  [
    { invoice: 'INV-17', copies: 2, paid: true, to: null },
    'invoice: INV-17, copies: 2, paid: true, to: null',
  ],
  [{ list: [1, 2], none: [], object: { a: 1 } }, 'list: […], none: [], object: {…}'],
  [{ text: 'a "quoted" word\n' }, 'text: a "quoted" word\n'],
  [{ text: 'x'.repeat(100_000) }, `text: ${'x'.repeat(58)}…`],
  [
    Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, n])),
    'k0: 0, k1: 1, k2: 2, k3: 3, k4: 4, k5: 5',
  ],
])('a task in a list shows its first params: %j', async (params, preview) => {
  const { manager } = tables.createManager([anything])
  await manager.createTask('anything', params)
  expect(await previewOf(manager)).toEqual([preview])
  // A search shows the same.
  expect(await previewOf(manager, { sort: 'waiting' })).toEqual([preview])
})

test('it is at most 200 characters long', async () => {
  const { manager } = tables.createManager([anything])
  const params = Object.fromEntries(
    Array.from({ length: 6 }, (_, n) => [`key${n}`.repeat(20), 'y'.repeat(60)]),
  )
  await manager.createTask('anything', params)
  const [preview = ''] = await previewOf(manager)
  expect(preview).toHaveLength(200)
  expect(preview.endsWith('…')).toBe(true)
})

test('values that are redacted are hidden, those of the type and those of every type', async () => {
  const { manager } = tables.createManager([pay, anything], { redact: ['token'] })
  await manager.createTask('pay', { password: 'sesame', card: { number: '4111' }, token: 'abc', amount: 3 })
  expect(await previewOf(manager)).toEqual([
    'password: [redacted], card: [redacted], token: [redacted], amount: 3',
  ])
})

test('nothing but lists has a preview', async () => {
  const { manager } = tables.createManager([anything])
  const { taskId } = await manager.createTask('anything', { a: 1 })
  expect(await manager.getTask(taskId)).not.toHaveProperty('paramsPreview')
})
