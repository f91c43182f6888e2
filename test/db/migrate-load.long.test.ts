import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyMigrations } from '../../src/db/apply-migrations.ts'
import type { Migration } from '../../src/db/migrations.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { PRUNE_START, pruneStep } from '../../src/engine/store/prune.ts'
import type { Engine } from '../support/engine.ts'
import { useEngines } from '../support/engines.ts'

const engines = useEngines()
let ownPool: pg.Pool
beforeEach(() => {
  ownPool = new pg.Pool({ connectionString: engines.database.directUrl })
})
afterEach(() => ownPool.end())

/** What later versions may do: each takes locks of several tables, in an order of its own. */
const LATER = [
  ['async_task_changes', 'async_tasks'],
  ['async_task_logs', 'async_task_attempts', 'async_tasks'],
  ['async_tasks', 'async_task_logs', 'async_task_changes'],
  ['async_task_types', 'async_tasks', 'async_task_executors'],
  ['async_task_params', 'async_task_steps', 'async_tasks', 'async_task_changes'],
]
const ROUNDS = 4
/** Waiters still find what has ended. */
const RETENTION_MS = 3_000

function laterMigrations(): Migration[] {
  return Array.from({ length: ROUNDS }, (_, round) =>
    LATER.map((tables, i) => ({ tables, id: round * 10 + i })),
  )
    .flat()
    .map(({ tables, id }) => ({
      name: `later_${id}`,
      folderMillis: 4_102_444_800_000 + id,
      hash: `later ${id}`,
      oldestVersion: '0.1.0',
      sql: [
        ...tables.map((table) => `ALTER TABLE "${table}" ADD COLUMN "later_${id}" text`),
        `CREATE INDEX "idx_later_${id}" ON "${tables.at(-1)}" USING btree ("later_${id}") WHERE "later_${id}" is not null`,
      ],
    }))
}

test('migrations of many tables are applied under a heavy load, and no process notices anything but a wait', async () => {
  const { database } = engines
  const registry = createTaskRegistry()
  const brief = registry.task('brief')(async (_params, ctx) => {
    ctx.log.info('at work')
    ctx.progress(1, 2)
  })
  const guarded = registry.task('guarded')(async (_params, ctx) => {
    const client = await ownPool.connect()
    try {
      await client.query('begin')
      await ctx.guard(client)
      await client.query('select pg_sleep(0.1)')
      await client.query('commit')
    } finally {
      client.release()
    }
  })
  const settings = { concurrency: 32, pollIntervalMs: 100, maxRetries: 0 }
  const fleet = [1, 2, 3].map(() => engines.start([brief, guarded], settings, { hears: true }))
  const errors: unknown[] = []
  for (const { events } of fleet) {
    for (const name of ['loopFailed', 'writeFailed', 'writeDelayed', 'listenerFailed', 'threw'] as const) {
      events.on(name, (event: unknown) => void errors.push([name, event]))
    }
  }
  const load = startLoad(fleet)
  await expect.poll(() => load.pruned).toBeGreaterThan(500)

  const client = new pg.Client({ connectionString: database.directUrl })
  await client.connect()
  await client.query(`select set_config('search_path', $1, false)`, [database.schema.quoted])
  const notices: string[] = []
  const migrations = laterMigrations()
  const began = performance.now()
  await applyMigrations(
    {
      client,
      history: 'tasks',
      schema: database.schema,
      journal: `${database.schema.quoted}."async_tasks_migrations"`,
    },
    migrations,
    {
      hasSchema: true,
      onNotice: (message) => void notices.push(message),
      lockWaitMs: 300_000,
      signal: new AbortController().signal,
    },
  )
  const tookMs = performance.now() - began
  await load.stop()
  await client.end()

  const ends = `select status, count(*)::int as count, max(attempt) as attempts
                  from ${database.schema.quoted}.async_tasks group by 1`
  const unfinished = async () =>
    (await database.pool.query(ends)).rows.filter(({ status }) => /pending|running/.test(status))
  await expect.poll(unfinished).toEqual([])
  console.log(
    `${migrations.length} migrations in ${Math.round(tookMs)} ms beside ${load.created} creates; the longest create took ` +
      `${Math.round(load.longestMs)} ms, a prune step ${Math.round(load.longestPruneMs)} ms; ${notices.length} notices`,
  )
  for (const notice of notices.slice(0, 5)) console.log(notice)
  expect(errors).toEqual([])
  expect((await database.pool.query(ends)).rows.filter(({ status }) => status !== 'completed')).toEqual([])
  // A wait behind the migration's, and the migration.
  expect(load.longestMs).toBeLessThan(5_000)
})

/** Four loops that create, and two that prune what has ended. */
function startLoad(fleet: readonly Engine[]) {
  const load = { created: 0, pruned: 0, longestMs: 0, longestPruneMs: 0, stop }
  let isOn = true
  const creating = [0, 1, 2, 3].map(async (i) => {
    const { manager } = fleet[i % fleet.length] as Engine
    while (isOn) {
      const began = performance.now()
      const created = await manager.createTasks(
        Array.from({ length: 20 }, (_, n) => ({ task: n === 0 ? 'guarded' : 'brief', params: {} })),
      )
      load.created += 20
      load.longestMs = Math.max(load.longestMs, performance.now() - began)
      await manager.waitFor(created.at(-1)?.taskId ?? '')
    }
  })
  const pruning = fleet.slice(1).map(async ({ db }) => {
    while (isOn) {
      for (const type of ['brief', 'guarded']) {
        const began = performance.now()
        load.pruned += (await pruneStep(db, type, RETENTION_MS, PRUNE_START)).pruned
        load.longestPruneMs = Math.max(load.longestPruneMs, performance.now() - began)
      }
    }
  })
  async function stop(): Promise<void> {
    isOn = false
    await Promise.all([...creating, ...pruning])
  }
  return load
}
