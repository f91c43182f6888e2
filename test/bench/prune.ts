import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type pg from 'pg'
import { createPool, endPool } from '../../src/db/client.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { taskSettings } from '../../src/engine/definition/settings.ts'
import { Pruner } from '../../src/engine/maintenance/pruner.ts'
import { createEngine } from '../support/engine.ts'
import { describe, withScratchServer } from './scratch-server.ts'

/**
 * Shows that pruning holds up nobody: runs tasks at a steady rate without it, beside it, and without it again, in one
 * go, and compares. `node test/bench/prune.ts --rows 1000000 --rate 2000 --seconds 20`
 */

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '20' },
  },
})
const rows = Number(values.rows)
const rate = Number(values.rate)
const seconds = Number(values.seconds)

const TICK_MS = 10
const WARM_UP_SECONDS = 5

interface Phase {
  readonly name: string
  readonly claimMs: number[]
  readonly pickUpMs: number[]
  beganAt: number
  endedAt: number
}

const phases: Phase[] = []
let phase: Phase | undefined

function begin(name: string): void {
  const now = performance.now()
  if (phase) phase.endedAt = now
  phase = { name, claimMs: [], pickUpMs: [], beganAt: now, endedAt: now }
  phases.push(phase)
}

/** Times each claim that the pool carries. */
function timeClaims(pool: pg.Pool): void {
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>
  const timed = async (...args: unknown[]) => {
    const begun = performance.now()
    const answer = await query(...args)
    // Not by its name, which it lacks while the tables are small.
    const [config] = args as [{ text?: string }]
    if (config.text?.startsWith('/* tasks_claim')) phase?.claimMs.push(performance.now() - begun)
    return answer
  }
  pool.query = timed as typeof pool.query
}

/** Tasks of four types that ended a hundred days ago, each with a param and two lines. */
async function fill(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    // Foreign keys of rows that are known to be right need no check.
    await client.query('set session_replication_role = replica')
    for (let from = 1; from <= rows; from += 100_000) {
      const range = [from, Math.min(from + 99_999, rows)]
      await client.query({
        text: `with n as (select n, 'task_old' || n as task_id from generate_series($1::int, $2::int) n),
         t as (insert into async_tasks (task_id, task_type, status, attempt, created_at, started_at, completed_at)
               select task_id, 'old' || n % 4, 'completed', 1, at, at, at
                 from n, lateral (select now() - interval '100 days' + n * interval '1 ms' as at) a),
         p as (insert into async_task_params (task_id, key, value) select task_id, 'symbol', '"600519"' from n)
         insert into async_task_logs (task_id, attempt, level, message)
         select task_id, 1, 'INFO', 'line ' || l from n, generate_series(1, 2) l`,
        values: range,
        // The type of `pg` does not know it.
        ...{ query_timeout: 300_000 },
      })
    }
    await client.query({ text: 'vacuum analyze', ...{ query_timeout: 300_000 } })
    await client.query('checkpoint')
  } finally {
    client.release(true)
  }
}

async function run(url: string): Promise<void> {
  const pool = createPool({ connectionString: url, max: 10 })
  timeClaims(pool)
  const createdAt = new Map<string, number>()
  const warm = Promise.withResolvers<void>()
  let runs = 0
  const work = createTaskRegistry().task('work')((_params, { taskId }) => {
    runs += 1
    if (runs >= rate * WARM_UP_SECONDS) warm.resolve()
    const at = createdAt.get(taskId)
    createdAt.delete(taskId)
    if (at !== undefined) phase?.pickUpMs.push(performance.now() - at)
  })
  const database = {
    url,
    directUrl: url,
    pool,
    schema: EngineSchema.public,
    prepared: true,
    drop: async () => {},
  }
  const { db, events, executor, manager } = createEngine(database, [work], {
    ...{ concurrency: 200, retentionDays: 36_500 },
  })
  executor.start()

  const stop = new AbortController()
  const load = (async () => {
    const begun = performance.now()
    for (let made = 0; !stop.signal.aborted; await delay(TICK_MS)) {
      const due = Math.floor(((performance.now() - begun) / 1_000) * rate) - made
      if (due <= 0) continue
      made += due
      void manager.createTasks(Array.from({ length: due }, () => ({ task: work }))).then((created) => {
        const now = performance.now()
        for (const { taskId } of created) createdAt.set(taskId, now)
      })
    }
  })()

  await warm.promise
  begin('undisturbed')
  await delay(seconds * 1_000)
  begin('pruning')
  const pruner = new Pruner({ db, events, settings: taskSettings.parse({}), definitions: new Map() })
  await pruner.prune(stop.signal)
  begin('after')
  await delay(seconds * 1_000)
  begin('end')
  stop.abort()
  await load
  await executor.stop()
  const { rows: left } = await pool.query(
    `select count(*)::int as old from async_tasks where task_type like 'old%'`,
  )
  await endPool(pool, 5_000)
  report(left[0].old)
}

function report(left: number): void {
  for (const { name, claimMs, pickUpMs, beganAt, endedAt } of phases.slice(0, 3)) {
    const lasted = (endedAt - beganAt) / 1_000
    const tasks = Math.round(pickUpMs.length / lasted)
    console.log(`${name}: ${lasted.toFixed(1)} s, ${tasks} tasks/s, ${claimMs.length} claims`)
    console.log('  claim ms  ', describe(claimMs))
    console.log('  pick-up ms', describe(pickUpMs))
  }
  const [before, during, after] = phases.map(({ claimMs }) => describe(claimMs).p99)
  if (before === undefined || during === undefined || after === undefined)
    throw new Error('a phase is missing')
  const undisturbed = (before + after) / 2
  const pruned = phases[1] ? (rows - left) / ((phases[1].endedAt - phases[1].beganAt) / 1_000) : 0
  console.log(`pruned ${rows - left} of ${rows} tasks, ${Math.round(pruned)} a second`)
  console.log(`claim p99 beside pruning: ${(during / undisturbed).toFixed(2)} × of the undisturbed`)
}

await withScratchServer({ durable: true }, async (url) => {
  const pool = createPool({ connectionString: url })
  await fill(pool)
  await endPool(pool, 5_000)
  await run(url)
})
