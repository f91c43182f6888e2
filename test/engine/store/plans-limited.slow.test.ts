import { describe, expect, test } from 'vitest'
import type { TypeLimits } from '../../../src/engine/definition/limits.ts'
import { Claims } from '../../../src/engine/store/claim.ts'
import { captureStatements, type PlanNode } from '../../support/plans.ts'
import { SOME_EXECUTOR } from '../../support/task-rows.ts'
import { KINDS, useHistory } from './history-plans.ts'

const { tables, explainOne } = useHistory()

const NO_LIMITS = { concurrency: null, globalConcurrency: null, keyed: false }
const RATE = { max: 20, windowMs: 60_000 }

/** What reads all due tasks, or all that there are, where an index has them in order. */
const readsOfAll = (plan: readonly PlanNode[]) =>
  plan
    .filter((node) => node['Relation Name'] === 'async_tasks')
    .map((node) => node['Node Type'])
    .filter((type) => /Seq Scan|Bitmap/.test(type))

const TYPES: [what: string, limits: TypeLimits][] = [
  ['a limit over all processes', { ...NO_LIMITS, taskType: 'limited', globalConcurrency: 3 }],
  ['concurrency keys', { ...NO_LIMITS, taskType: 'limited', keyed: true }],
  ['a rate', { ...NO_LIMITS, taskType: 'limited', rate: { ...RATE, keyed: false } }],
  ['a rate by key', { ...NO_LIMITS, taskType: 'limited', rate: { ...RATE, keyed: true } }],
]

describe.each(TYPES)('a claim of a type with %s', (_what, limits) => {
  // The fewer tasks are due, the likelier the planner takes a sort of all for cheaper.
  test.each([1_000, 20_000, 100_000])('reads no more than it needs of %i due tasks', async (due) => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, rate_key, concurrency_key)
       select 'task_l' || n, 'limited', 'k' || n % 50, 'k' || n % 50 from generate_series(1, $1::int) n`,
      [due],
    )
    await tables.pool.query('vacuum analyze async_tasks')
    const { db } = tables.createManager()
    const claims = new Claims(db, SOME_EXECUTOR, [limits, { ...NO_LIMITS, taskType: 'type0' }])
    const request = { limit: 500, capacity: [null, null], since: [null, null] }
    const sent = await captureStatements(tables.pool, () =>
      claims.claimLimited(request, new Set(['limited'])),
    )
    const statements = sent.filter(({ text }) => /tasks_claim_(limited|keys)/.test(text))
    expect(statements.length).toBeGreaterThan(0)
    for (const statement of statements) {
      for (const kind of KINDS) expect(readsOfAll(await explainOne(statement, kind)), kind).toEqual([])
    }
  })
})
