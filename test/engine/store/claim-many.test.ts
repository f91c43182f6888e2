import { expect, test } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import type { TypeLimits } from '../../../src/engine/definition/limits.ts'
import { ManyTypeClaims } from '../../../src/engine/store/claim-many.ts'
import { registerExecutor } from '../../../src/engine/store/executors.ts'
import { slowPool } from '../../support/slow-pool.ts'
import { SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const three: TypeLimits = { taskType: 'three', concurrency: null, globalConcurrency: 3, keyed: false }
const keyed: TypeLimits = { taskType: 'keyed', concurrency: null, globalConcurrency: null, keyed: true }

test.each<[string, number | null, string[] | undefined]>([
  ['plain', null, undefined],
  ['limited', 3, ['one']],
])('a task whose type has no name is left alone: %s types', async (_kind, globalConcurrency, open) => {
  const db = createDatabase(tables.pool, { prepared: false, schema: tables.database.schema })
  const executor = { executorId: SOME_EXECUTOR, host: 'h', pid: 1, version: 'v', slots: 9, leaseMs: 30_000 }
  await registerExecutor(db, { ...executor, taskTypes: ['one'] })
  const type = { taskType: 'one', concurrency: null, globalConcurrency, keyed: false }
  const many = new ManyTypeClaims(db, SOME_EXECUTOR, [type])
  const nameless = await tables.insert({ task_type: '' })
  const named = await tables.insert({ task_type: 'one' })
  const request = { limit: 5, capacity: [null], since: [null] }
  const { tasks } = await (open ? many.claimLimited(request, new Set(open)) : many.claim(request))
  expect(tasks.map(({ taskId }) => taskId)).toEqual([named])
  expect(await tables.row(nameless)).toMatchObject({ status: 'pending', attempt: 0 })
})

test('an executor of many types inserts the row of a type once, and again when it was deleted', async () => {
  const inserts: unknown[] = []
  const pool = slowPool(tables.pool, ({ text, values }, send) => {
    if (text.includes('/* tasks_insert_types')) inserts.push(values?.[0])
    return send()
  })
  const db = createDatabase(pool, { prepared: false, schema: tables.database.schema })
  const executor = { executorId: SOME_EXECUTOR, host: 'h', pid: 1, version: 'v', slots: 9, leaseMs: 30_000 }
  await registerExecutor(db, { ...executor, taskTypes: ['three', 'keyed'] })
  const many = new ManyTypeClaims(db, SOME_EXECUTOR, [three, keyed])
  const request = { limit: 1, capacity: [null, null], since: [null, null] }
  const claim = async () =>
    (await many.claimLimited(request, new Set(['three', 'keyed']))).tasks.map(({ taskId }) => taskId)
  for (let n = 0; n < 3; n += 1) {
    const taskId = await tables.insert({ task_type: 'three' })
    expect(await claim()).toEqual([taskId])
  }
  expect(inserts).toEqual([['three']])
  await tables.insert({ task_type: 'keyed', concurrency_key: 'one' })
  await claim()
  expect(inserts).toEqual([['three'], ['keyed']])
  await tables.pool.query('delete from async_task_types')
  await tables.pool.query(`update async_tasks set status = 'completed'`)
  const deleted = await tables.insert({ task_type: 'three' })
  await expect.poll(claim).toEqual([deleted])
  expect(inserts).toEqual([['three'], ['keyed'], ['three']])
})
