import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { Claims } from '../../../src/engine/store/claim.ts'
import { waitsSinceBefore } from '../../../src/engine/store/claim-probe.ts'
import { beat } from '../../../src/engine/store/executors.ts'
import { expireTasks } from '../../../src/engine/store/expire.ts'
import { endOrphanedStops, failUnknownTypes, rescueTasks } from '../../../src/engine/store/rescue.ts'
import { claimTasks, createClaims } from '../../support/claim-tasks.ts'
import { captureStatements, countPages } from '../../support/plans.ts'
import { SOME_EXECUTOR } from '../../support/task-rows.ts'
import { BACKLOG, indexesOf, KINDS, scansOfTasks, sortsAndScans, useHistory } from './history-plans.ts'

const PARAMS_KEY = 'async_task_params_task_id_key_key'

const { tables, explainOne } = useHistory()

describe('over 100,000 finished tasks', () => {
  test.for([1, 20])(
    'the claim of %i types walks their due tasks in order: no sort, no scan of the table',
    async (types) => {
      const plans = await explainClaims(types)
      for (const [kind, plan] of plans) {
        expect(new Set(indexesOf(plan)), kind).toEqual(
          new Set([
            'idx_async_tasks_due',
            'idx_async_tasks_delayed',
            'async_tasks_pkey',
            'async_task_types_pkey',
            PARAMS_KEY,
          ]),
        )
        expect(sortsAndScans(plan), kind).toEqual([])
      }
    },
  )

  test('the claim is the same with only few tasks due, and right after many more came', async () => {
    await tables.pool.query(`delete from async_tasks where status = 'pending'`)
    await tables.pool.query('vacuum analyze async_tasks')
    for (const [kind, plan] of await explainClaims(2)) expect(sortsAndScans(plan), kind).toEqual([])
    await tables.pool.query(BACKLOG.replace('2000', '50000'))
    for (const [kind, plan] of await explainClaims(2)) expect(sortsAndScans(plan), kind).toEqual([])
  })

  test('the claim is the same with a backlog of delayed tasks, of which it reads the first', async () => {
    await tables.pool.query(BACKLOG.replace('2000', '50000').replace('task_p', 'task_b'))
    await tables.pool.query(
      `update async_tasks set run_at = now() + id * interval '1 second'
        where status = 'pending' and (task_type = 'type1' or id % 7 = 0)`,
    )
    await tables.pool.query('vacuum analyze async_tasks')
    for (const types of [1, 20]) {
      for (const [kind, plan] of await explainClaims(types)) {
        expect(sortsAndScans(plan), kind).toEqual([])
        expect(indexesOf(plan), kind).toContain('idx_async_tasks_delayed')
      }
    }
  })

  test('the check for due tasks after a claim walks the index of claims, bounded as the claim', async () => {
    const { db } = tables.createManager()
    const unlimited = { concurrency: null, globalConcurrency: null, keyed: false }
    const types = ['type0', 'type1'].map((taskType) => ({ taskType, ...unlimited }))
    const since = types.map(() => new Date(Date.now() + 3_600_000).toISOString())
    const request = { limit: 2, capacity: [null, null], since, findsDueLeft: true }
    const claims = new Claims(db, SOME_EXECUTOR, types)
    const [statement] = await captureStatements(tables.pool, () => claims.claim(request))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(sortsAndScans(plan), kind).toEqual([])
    }
  })

  test('the claim keeps its plan and reads no more pages with 100,000 sleepers', async () => {
    const { rows: servers } = await tables.pool.query<{ version: number }>(
      `select current_setting('server_version_num')::int as version`,
    )
    const [server] = servers
    const countAll = async () => {
      const claim = await captureClaim(2)
      return Promise.all(KINDS.map((kind) => countPages(tables.pool, claim, kind)))
    }
    const before = await countAll()
    await tables.pool.query('truncate async_tasks cascade')
    await tables.pool.query(INSERT_SLEEPERS)
    await tables.pool.query('vacuum analyze async_tasks')
    const after = await countAll()
    // Two indexes have become a level deeper. Before version 18 it reads the sleepers' entries as well.
    if (server && server.version >= 180_000)
      expect(Math.max(...after)).toBeLessThanOrEqual(Math.max(...before) + 20)
    const pool = createPool({ connectionString: tables.database.directUrl, max: 1 })
    onTestFinished(() => endPool(pool, 5_000))
    const claim = createClaims(
      createDatabase(pool, { prepared: true, schema: tables.database.schema }),
      SOME_EXECUTOR,
      ['type0', 'type1'],
    )
    for (let i = 0; i < 10; i += 1) await claim(1)
    const { rows } = await pool.query<{ custom: string; generic: string }>(
      `select custom_plans as custom, generic_plans as generic from pg_prepared_statements where name ~ '^tasks_claim_'`,
    )
    expect(rows).toEqual([{ custom: '5', generic: '5' }])
  })

  test('the claim is the same where many of the tasks expire, some of them long ago', async () => {
    await tables.pool.query(
      `update async_tasks set expires_at = now() + (n - 200) * interval '1 minute'
         from (select id, row_number() over (order by id) as n from async_tasks where status = 'pending') numbered
        where numbered.id = async_tasks.id and n % 2 = 0`,
    )
    await tables.pool.query('vacuum analyze async_tasks')
    for (const types of [1, 20]) {
      for (const [kind, plan] of await explainClaims(types)) {
        expect(sortsAndScans(plan), kind).toEqual([])
        expect(indexesOf(plan), kind).not.toContain('idx_async_tasks_expires')
      }
    }
  })

  test('expired tasks are found by their expiry: by each heartbeat, and by what ends them', async () => {
    const { db } = tables.createManager()
    const probes = { orphanedClaims: false, rescuable: false }
    const statements = await captureStatements(tables.pool, async () => {
      await beat(db, SOME_EXECUTOR, [], [], probes)
      await expireTasks(db)
    })
    expect(statements).toHaveLength(2)
    for (const statement of statements) {
      for (const kind of KINDS) {
        const plan = await explainOne(statement, kind)
        expect(indexesOf(plan), kind).toContain('idx_async_tasks_expires')
        expect(scansOfTasks(plan), kind).toEqual([])
      }
    }
  })

  test('the probe for older tasks walks the index of claims, also where a backlog has just gone', async () => {
    const { db } = tables.createManager()
    const [statement] = await captureStatements(tables.pool, () =>
      waitsSinceBefore(db, [{ taskType: 'type1', since: new Date().toISOString() }]),
    )
    const expectWalk = async () => {
      for (const kind of KINDS) {
        const plan = await explainOne(statement, kind)
        expect(indexesOf(plan), kind).toContain('idx_async_tasks_due')
        expect(scansOfTasks(plan), kind).toEqual([])
      }
    }
    await expectWalk()
    await tables.pool.query(BACKLOG.replace('task_p', 'task_b').replace('2000', '100000'))
    await tables.pool.query('vacuum analyze async_tasks')
    await tables.pool.query(`delete from async_tasks where status = 'pending'`)
    await expectWalk()
  })

  test('the search for unknown types hops over the backlog of the known ones', async () => {
    const { db } = tables.createManager()
    const [statement] = await captureStatements(tables.pool, () => failUnknownTypes(db, SOME_EXECUTOR, 1))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(scansOfTasks(plan), kind).toEqual([])
    }
  })

  test('permits of lost claims are freed by the index of limited tasks', async () => {
    const { db } = tables.createManager()
    const held = [{ taskId: 'task_1', attempt: 1 }]
    const [statement] = await captureStatements(tables.pool, () => endOrphanedStops(db, SOME_EXECUTOR, held))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(indexesOf(plan), kind).toContain('idx_async_tasks_limited')
      expect(scansOfTasks(plan), kind).toEqual([])
    }
  })

  test('the rescue, which runs with every heartbeat, reads what runs and no more', async () => {
    const { db } = tables.createManager()
    const [statement] = await captureStatements(tables.pool, () => rescueTasks(db))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(indexesOf(plan), kind).toEqual(
        expect.arrayContaining(['idx_async_tasks_running', 'async_tasks_pkey']),
      )
      expect(scansOfTasks(plan), kind).toEqual([])
    }
  })
})

const INSERT_SLEEPERS = `insert into async_tasks (task_id, task_type, attempt, created_at, run_at)
  select 'task_s' || n, 'type1', 1, now() - interval '1 hour', now() + n * interval '1 minute'
    from generate_series(1, 100000) n`

async function captureClaim(types: number) {
  const { db } = tables.createManager()
  const names = Array.from({ length: types }, (_, i) => `type${i}`)
  const [statement] = await captureStatements(tables.pool, () => claimTasks(db, SOME_EXECUTOR, names, 2))
  if (!statement) throw new Error('no claim was sent')
  return statement
}

async function explainClaims(types: number) {
  const statement = await captureClaim(types)
  return Promise.all(KINDS.map(async (kind) => [kind, await explainOne(statement, kind)] as const))
}
