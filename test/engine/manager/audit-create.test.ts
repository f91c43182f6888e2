import { describe, expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { captureAllStatements } from '../../support/plans.ts'
import { useTaskTables } from '../../support/task-rows.ts'
import { actor, entriesOf, MISSING, refused } from './audit-entries.ts'

/** The entries of creates, which share statements, find tasks by their keys, and may be part of a transaction. */

const tables = useTaskTables()

const plain = createTaskRegistry().task('plain')(() => undefined)
const createManager = () => tables.createManager([plain]).manager

test('without an actor there is no entry, and a create sends the statements that it sent before there was an audit', async () => {
  const manager = createManager()
  const sent = await captureAllStatements(async () => {
    const { taskId } = await manager.createTask(plain)
    await manager.createTask(plain, {}, { uniqueKey: 'k' })
    await manager.createTasks([{ task: plain }, { task: plain }])
    await manager.cancelTask(taskId)
    expect(await refused(manager.deleteTask(MISSING))).toBe('TASK_NOT_FOUND')
  })
  const inserts = sent.filter(({ text }) => /tasks_insert/.test(text))
  expect(inserts).toHaveLength(3)
  expect(inserts.filter(({ text }) => text.includes('async_task_audit'))).toEqual([])
  expect(sent.filter(({ text }) => text.includes('tasks_audit'))).toEqual([])
  expect(await entriesOf(manager)).toEqual([])
})

test('creates of the same moment share a statement, with and without an actor', async () => {
  const manager = createManager()
  let created: readonly string[] = []
  const sent = await captureAllStatements(async () => {
    const calls = [{ actor }, {}, { actor: { id: 'u2' } }].map((options) =>
      manager.createTask(plain, {}, options),
    )
    // The first one is sent at once, the others together.
    created = (await Promise.all(calls)).map(({ taskId }) => taskId)
  })
  expect(sent.filter(({ text }) => /tasks_insert/.test(text)).length).toBeLessThanOrEqual(2)
  const { entries } = await manager.listAudit()
  expect(entries.map((entry) => [entry.actor.id, entry.subject]).sort()).toEqual([
    ['u1', created[0]],
    ['u2', created[2]],
  ])
})

describe('unique keys', () => {
  test('a create that finds a task, replaces one or is refused has one entry', async () => {
    const manager = createManager()
    const first = await manager.createTask(plain, {}, { uniqueKey: 'k', delayMs: 60_000, actor })
    await manager.createTask(plain, {}, { uniqueKey: 'k', actor })
    await manager.createTask(plain, {}, { uniqueKey: 'k', onDuplicate: 'replace', delayMs: 60_000, actor })
    const reject = manager.createTask(plain, {}, { uniqueKey: 'k', onDuplicate: 'reject', actor })
    expect(await refused(reject)).toBe('DUPLICATE_TASK')
    const ok = `task.create ${first.taskId} ok`
    expect(await entriesOf(manager)).toEqual([ok, ok, ok, 'task.create plain DUPLICATE_TASK'])
  })

  test.each(['return', 'replace'] as const)(
    'creates that share one (%s) have an entry each',
    async (onDuplicate) => {
      const manager = createManager()
      const options = { uniqueKey: 'k', onDuplicate, delayMs: 60_000, actor }
      const created = await Promise.all(
        Array.from({ length: 10 }, () => manager.createTask(plain, {}, options)),
      )
      const [id] = new Set(created.map(({ taskId }) => taskId))
      expect(await entriesOf(manager)).toEqual(Array.from({ length: 10 }, () => `task.create ${id} ok`))
    },
  )

  test('those of createTasks have an entry each, or one together if they are refused', async () => {
    const manager = createManager()
    const item = { task: plain, uniqueKey: 'k' }
    const [{ taskId }, , other] = await manager.createTasks([item, item, { task: plain }] as const, { actor })
    const ids = [taskId, taskId, other.taskId]
    expect(await entriesOf(manager)).toEqual(ids.map((id) => `task.create ${id} ok`))
    const again = manager.createTasks([{ task: plain }, { ...item, onDuplicate: 'reject' }], { actor })
    expect(await refused(again)).toBe('DUPLICATE_TASK')
    expect((await entriesOf(manager)).slice(3)).toEqual(['task.create plain DUPLICATE_TASK'])
  })
})

describe("in a caller's transaction", () => {
  class RolledBack extends Error {}

  test('entries commit with the tasks, and are gone with them', async () => {
    const manager = createManager()
    const work = async (end: () => void) =>
      withTransaction(tables.pool, async (tx) => {
        await manager.createTask(plain, {}, { tx, actor })
        await manager.createTask(plain, {}, { tx, actor, uniqueKey: 'k' })
        await manager.createTasks([{ task: plain }, { task: plain, uniqueKey: 'k' }], { tx, actor })
        expect(await entriesOf(manager)).toEqual([])
        end()
      })
    const end = () => {
      throw new RolledBack()
    }
    await expect(work(end)).rejects.toThrow(RolledBack)
    expect(await entriesOf(manager)).toEqual([])
    await work(() => {})
    const { entries } = await manager.listAudit()
    expect(entries.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok', 'ok'])
    const ids = (await manager.listTasks()).tasks.map(({ taskId }) => taskId)
    expect(new Set(entries.map(({ subject }) => subject))).toEqual(new Set(ids))
  })

  test('a refused create leaves one entry in the audit, also if the transaction is rolled back', async () => {
    const manager = createManager()
    const { taskId } = await manager.createTask(plain, {}, { uniqueKey: 'k' })
    const work = withTransaction(tables.pool, async (tx) => {
      const items = [{ task: plain }, { task: plain, uniqueKey: 'k', onDuplicate: 'reject' }] as const
      expect(await refused(manager.createTasks(items, { tx, actor }))).toBe('DUPLICATE_TASK')
      throw new RolledBack()
    })
    await expect(work).rejects.toThrow(RolledBack)
    expect(await entriesOf(manager)).toEqual(['task.create plain DUPLICATE_TASK'])
    expect((await manager.listTasks()).tasks.map((one) => one.taskId)).toEqual([taskId])
  })
})
