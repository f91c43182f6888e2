import { afterEach, expect, test } from 'vitest'
import type { CreateTaskOptions } from '../../../src/engine/definition/create-options.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { captureAllStatements } from '../../support/plans.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const plain = task('plain')(() => undefined)
const actor = { id: 'u1' }

afterEach(() => tables.pool.query('alter table async_task_audit drop constraint if exists refuses'))

async function subjects(): Promise<(string | null)[]> {
  const { rows } = await tables.pool.query<{ subject: string | null }>(
    'select subject from async_task_audit order by id',
  )
  return rows.map(({ subject }) => subject)
}

test('creates that find their keys held share the statements that write their entries', async () => {
  const { manager } = tables.createManager([plain])
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`)
  const held = await manager.createTasks(
    keys.map((uniqueKey) => ({ task: plain, uniqueKey, delayMs: 60_000 })),
  )
  const calls = held.flatMap(({ uniqueKey }) => Array.from({ length: 10 }, () => uniqueKey as string))
  const sent = await captureAllStatements(() =>
    Promise.all(calls.map((uniqueKey) => manager.createTask(plain, {}, { uniqueKey, actor }))),
  )
  expect(sent.filter(({ text }) => text.includes('tasks_audit_record')).length).toBeLessThanOrEqual(10)
  const ids = held.flatMap(({ taskId }) => Array.from({ length: 10 }, () => taskId))
  expect((await subjects()).sort()).toEqual(ids.sort())
})

test.each<CreateTaskOptions>([{}, { onDuplicate: 'replace', delayMs: 60_000 }])(
  'an entry that cannot be written fails no create (%j), and is reported',
  async (options) => {
    const { manager, events } = tables.createManager([plain])
    const { taskId } = await manager.createTask(plain, {}, { uniqueKey: 'held', delayMs: 60_000 })
    // Not the entries of the statement or transaction that makes a change.
    await tables.pool.query(`alter table async_task_audit
      add constraint refuses check (subject <> '${taskId}' or request_id = 'leader')`)
    const failures: unknown[] = []
    events.on('writeFailed', ({ what }) => failures.push(what))
    const create = (uniqueKey: string, requestId: string) =>
      manager.createTask(plain, {}, { ...options, uniqueKey, actor: { ...actor, requestId } })
    const replaces = options.onDuplicate === 'replace'
    // The first replacement is sent at once, the last one for the rest, each with its entry.
    const requestIds = replaces ? ['leader', 'b', 'c', 'leader'] : ['a', 'b', 'c', 'd']
    const created = await Promise.all([
      ...['new1', 'new2'].map((key) => create(key, 'leader')),
      ...requestIds.map((requestId) => create('held', requestId)),
    ])
    const [new1, new2, ...others] = created.map((one) => one.taskId)
    expect(others).toEqual(requestIds.map(() => taskId))
    expect(failures.length).toBeGreaterThan(0)
    expect(new Set(failures)).toEqual(new Set(['audit']))
    const written = [new1, new2, ...(replaces ? [taskId, taskId] : [])]
    expect((await subjects()).sort()).toEqual(written.sort())
  },
)
