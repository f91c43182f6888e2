import { describe, expect, test } from 'vitest'
import type { BulkRequest } from '../../../src/contract/bulk.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { captureAllStatements } from '../../support/plans.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'
import { actor, entriesOf, MISSING } from './audit-entries.ts'

const tables = useTaskTables()

const plain = createTaskRegistry().task('plain')(() => undefined)

const createManager = () => tables.createManager([plain]).manager

describe('bulk', () => {
  test('each task has an entry, refused ones with the reason', async () => {
    const manager = createManager()
    const pending = await tables.insert(inStatus('pending'))
    const completed = await tables.insert(inStatus('completed'))
    const cancelled = await tables.insert(inStatus('cancelled'))
    const taskIds = [pending, completed, cancelled, 'no id', MISSING]
    const before = await manager.bulk({ action: 'cancel', taskIds, dryRun: true }, { actor })
    expect(await entriesOf(manager)).toEqual([])
    const { results } = await manager.bulk({ action: 'cancel', taskIds }, { actor })
    expect(results).toEqual(before.results)
    const expected = results.map(({ taskId, code = 'ok' }) => `task.cancel ${taskId} ${code}`)
    expect((await entriesOf(manager)).sort()).toEqual(expected.sort())
  })

  test('a thousand tasks cost two statements more than without an actor', async () => {
    const { manager } = tables.createManager([plain])
    await manager.createTasks(Array.from({ length: 1_000 }, () => ({ task: plain })))
    const taskIds = (await manager.listTasks({ pageSize: 1_000 })).tasks.map(({ taskId }) => taskId)
    const request: BulkRequest = { action: 'cancel', taskIds: [...taskIds.slice(1), MISSING] }
    const count = async (options: object) =>
      (await captureAllStatements(() => manager.bulk(request, options))).length
    const first = await count({ actor })
    expect((await tables.pool.query('select from async_task_audit')).rowCount).toBe(1_000)
    // All of them are cancelled by now.
    const again = await count({})
    expect(first - again).toBeLessThanOrEqual(2)
  })
})

describe('the list', () => {
  async function fill(count: number): Promise<void> {
    await tables.pool.query(
      `insert into async_task_audit (at, actor_id, action, subject, outcome)
       select '2026-01-01Z'::timestamptz + (n / 2) * interval '1 second', 'u' || n % 3, 'task.' || n % 4, 's' || n, 'ok'
         from generate_series(0, $1::int - 1) n`,
      [count],
    )
  }

  test('pages go through all entries once, newest first, also those of one instant', async () => {
    const manager = createManager()
    await fill(250)
    const seen: string[] = []
    let cursor: string | undefined
    for (let pages = 1; ; pages += 1) {
      const page = await manager.listAudit(cursor === undefined ? {} : { cursor })
      seen.push(...page.entries.map(({ subject }) => String(subject)))
      if (page.nextCursor === null) {
        expect(pages).toBe(3)
        break
      }
      expect(page.entries).toHaveLength(100)
      cursor = page.nextCursor
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, n) => `s${249 - n}`))
  })

  test('filters combine', async () => {
    const manager = createManager()
    await fill(100)
    const subjects = async (query: Parameters<TaskManager['listAudit']>[0]) =>
      (await manager.listAudit(query)).entries.map(({ subject }) => subject)
    expect(await subjects({ subject: 's7' })).toEqual(['s7'])
    expect(await subjects({ subject: 's7', actor: 'u2' })).toEqual([])
    expect(await subjects({ actor: 'u1', action: 'task.3' })).toEqual([
      's91',
      's79',
      's67',
      's55',
      's43',
      's31',
      's19',
      's7',
    ])
    const [after, before] = ['2026-01-01T00:00:10Z', '2026-01-01T00:00:12Z'].map((text) => new Date(text))
    expect(await subjects({ after, before })).toEqual(['s23', 's22', 's21', 's20'])
  })

  test.each([{ cursor: 'x' }, { after: 'now' }, { user: 'u1' }])('%j is refused', async (query) => {
    await expect(createManager().listAudit(query as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})
