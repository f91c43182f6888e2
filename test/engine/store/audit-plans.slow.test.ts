import { expect, test } from 'vitest'
import type { AuditQuery } from '../../../src/contract/audit.ts'
import { pruneEntries } from '../../../src/engine/store/audit.ts'
import { captureStatements, explain } from '../../support/plans.ts'
import { useTaskTables } from '../../support/task-rows.ts'
import { indexesOf, sortsAndScans } from './history-plans.ts'

/** A year of changes by 50 users, most of them creates. */
const tables = useTaskTables(async (pool) => {
  await pool.query(
    `insert into async_task_audit (at, actor_id, action, subject, outcome)
     select now() - n * interval '2 minutes', 'u' || n % 50,
            case when n % 100 = 0 then 'task.delete' else 'task.create' end, 'task_' || n, 'ok'
       from generate_series(1, 200000) n`,
  )
  await pool.query('vacuum analyze async_task_audit')
})

const recent = new Date(Date.now() - 7 * 86_400_000)
const old = new Date(Date.now() - 100 * 86_400_000)

test.each<[string, AuditQuery]>([
  ['idx_async_task_audit_actor', { actor: 'u7' }],
  ['idx_async_task_audit_action', { action: 'task.delete' }],
  ['idx_async_task_audit_subject', { subject: 'task_4711' }],
  ['async_task_audit_pkey', {}],
  ['async_task_audit_pkey', { before: old }],
  ['async_task_audit_pkey', { after: old, before: recent }],
  ['idx_async_task_audit_actor', { actor: 'nobody' }],
])('over 200,000 entries, %s serves %j in the order of the list', async (index, query) => {
  const { manager } = tables.createManager()
  const { nextCursor } = await manager.listAudit()
  for (const cursor of [undefined, nextCursor ?? undefined]) {
    const [statement, ...others] = await captureStatements(tables.pool, () =>
      manager.listAudit({ ...query, cursor }),
    )
    expect(others).toEqual([])
    if (!statement) throw new Error('no statement was sent')
    const plan = await explain(tables.pool, statement, 'custom')
    expect(indexesOf(plan)).toEqual([index])
    expect(sortsAndScans(plan)).toEqual([])
  }
})

test('pruning reads the oldest entries alone, a thousand in each step', async () => {
  const { db } = tables.createManager()
  const days = (n: number) => n * 86_400_000
  let more = false
  const statements = await captureStatements(tables.pool, async () => {
    more = await pruneEntries(db, days(200))
  })
  expect(more).toBe(true)
  const count = async () => (await tables.pool.query('select from async_task_audit')).rowCount
  expect(await count()).toBe(199_000)
  const [statement] = statements
  if (!statement) throw new Error('no statement was sent')
  const plan = await explain(tables.pool, statement, 'generic')
  expect(indexesOf(plan)).toEqual(['async_task_audit_pkey'])
  expect(sortsAndScans(plan)).toEqual([])
  while (await pruneEntries(db, days(200)));
  const left = (await count()) ?? 0
  // As many more as take place meanwhile.
  expect(left).toBeLessThanOrEqual(200 * 720)
  expect(left).toBeGreaterThan(200 * 720 - 30)
})
