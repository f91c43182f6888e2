import { expect, test } from 'vitest'
import { isGloballyLimited, type TypeLimits } from '../../../src/engine/definition/limits.ts'
import { type ClaimRequest, Claims } from '../../../src/engine/store/claim.ts'
import { ManyTypeClaims } from '../../../src/engine/store/claim-many.ts'
import { waitsSinceBefore } from '../../../src/engine/store/claim-probe.ts'
import { registerExecutor } from '../../../src/engine/store/executors.ts'
import { SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const PAST = '2024-01-01T00:00:00Z'
const LATER = new Date(Date.now() + 3_600_000)

const type = (columns: Partial<TypeLimits>): TypeLimits => ({
  taskType: 'work',
  concurrency: null,
  globalConcurrency: null,
  keyed: false,
  ...columns,
})

const KINDS: [string, TypeLimits, columns?: object][] = [
  ['no limit', type({})],
  ['a limit in its process', type({ concurrency: 5 })],
  ['a limit over all processes', type({ globalConcurrency: 2 })],
  ['keys', type({ keyed: true }), { concurrency_key: 'one' }],
]

/** More than the claim of a type with keys looks at before it goes from key to key. */
const MANY = 250

for (const [kind, Made] of [
  ['few types', Claims],
  ['many types', ManyTypeClaims],
] as const) {
  test.each(KINDS)(
    `no claim of ${kind} starts an expired task of a type with %s`,
    async (_name, limits, columns) => {
      const { db } = tables.createManager()
      const executor = {
        executorId: SOME_EXECUTOR,
        host: 'h',
        pid: 1,
        version: 'v',
        slots: 9,
        leaseMs: 30_000,
      }
      await registerExecutor(db, { ...executor, taskTypes: ['work'] })
      await tables.pool.query(
        `insert into async_tasks (task_id, task_type, priority, expires_at, concurrency_key)
       select 'task_e' || n, 'work', 9, $2, $3 from generate_series(1, $1::int) n`,
        [MANY, PAST, columns ? 'other' : null],
      )
      const claims = new Made(db, SOME_EXECUTOR, [limits])
      const request: ClaimRequest = { limit: 300, capacity: [null], since: [null] }
      const claim = async () => [
        ...(await claims.claim(request)).tasks,
        ...(isGloballyLimited(limits) ? (await claims.claimLimited(request, new Set(['work']))).tasks : []),
      ]
      expect(await claim()).toEqual([])
      expect((await claims.claim(request)).waiting).toEqual([])
      const taskIds = [await tables.insert({ task_type: 'work', expires_at: LATER, ...columns })]
      if (!columns) taskIds.push(await tables.insert({ task_type: 'work' }))
      expect((await claim()).map(({ taskId }) => taskId).toSorted()).toEqual(taskIds.toSorted())
    },
  )
}

test('the look for what claims leave out passes over expired tasks', async () => {
  const { db } = tables.createManager()
  await tables.insert({ task_type: 'work', run_at: PAST, expires_at: PAST })
  const since = [{ taskType: 'work', since: new Date().toISOString() }]
  expect(await waitsSinceBefore(db, since)).toBe(false)
  await tables.insert({ task_type: 'work', run_at: PAST, expires_at: LATER })
  expect(await waitsSinceBefore(db, since)).toBe(true)
})
