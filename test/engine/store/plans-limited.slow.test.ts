import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
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

async function insertDue(count: number, prefix = 'task_l'): Promise<void> {
  await tables.pool.query(
    `insert into async_tasks (task_id, task_type, rate_key, concurrency_key)
     select $2 || n, 'limited', 'k' || n % 50, 'k' || n % 50 from generate_series(1, $1::int) n`,
    [count, prefix],
  )
  await tables.pool.query('vacuum analyze async_tasks')
}

describe.each(TYPES)('a claim of a type with %s', (_what, limits) => {
  // The fewer tasks are due, the likelier the planner takes a sort of all for cheaper.
  test.each([1_000, 20_000, 100_000])('reads no more than it needs of %i due tasks', async (due) => {
    await insertDue(due)
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

  test('is soon planned no more after a backlog has grown: planning takes longer than the claim', async () => {
    await insertDue(1_000)
    const pool = createPool({ connectionString: tables.database.directUrl, max: 1 })
    onTestFinished(() => endPool(pool, 5_000))
    const db = createDatabase(pool, { prepared: true, schema: tables.database.schema })
    const claims = new Claims(db, SOME_EXECUTOR, [limits, { ...NO_LIMITS, taskType: 'type0' }])
    const request = { limit: 20, capacity: [null, null], since: [null, null] }
    for (let i = 0; i < 200; i += 1) {
      if (i === 5) await insertDue(20_000, 'task_m')
      await claims.claimLimited(request, new Set(['limited']))
    }
    const { rows } = await pool.query<{ anew: number; prepared: number }>(
      `select sum(custom_plans)::int as anew, sum(generic_plans)::int as prepared from pg_prepared_statements
        where name ~ '^tasks_claim_(limited|keys)'`,
    )
    const { anew = 0, prepared = 0 } = rows[0] ?? {}
    expect(prepared).toBeGreaterThan(anew)
  })
})
