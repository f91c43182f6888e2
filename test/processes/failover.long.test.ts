import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createPool, endPool } from '../../src/db/client.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createEngine } from '../support/engine.ts'
import { startReplicated } from './standby.ts'

const settings = { concurrency: 30, heartbeatIntervalMs: 5_000, leaseMs: 30_000, pollIntervalMs: 50 }
const LOST_MS = 1_000

test.for([1, 2, 3])(
  'no task gets the result of another when a standby that lacks commits takes over, %i',
  async () => {
    const server = await startReplicated()
    const pool = createPool({ connectionString: server.url, max: 20 })
    const { task } = createTaskRegistry()
    // So long that those which run at the failover end while others run under their rows' numbers.
    const work = task('work', { retryBaseMs: 10 })(async (_params, ctx) => {
      await delay(200 + Math.random() * 2_500)
      return ctx.taskId
    })
    const quick = task('quick', { globalConcurrency: 5 })((_params, ctx) => ctx.taskId)
    const database = {
      url: server.url,
      directUrl: server.url,
      pool,
      schema: EngineSchema.public,
      prepared: true,
      drop: async () => {},
    }
    const engines = [1, 2].map(() => createEngine(database, [work, quick], settings))
    try {
      for (const { executor } of engines) executor.start()
      const created = new Set<string>()
      let isLoading = true
      const load = async () => {
        for (let n = 0; isLoading; n += 1) {
          const [engine] = engines
          const made = await engine?.manager
            .createTasks(
              Array.from({ length: 5 }, (_, i) => ({ task: i === 0 ? work : quick, params: { n } })),
            )
            .catch(() => [])
          for (const { taskId } of made ?? []) created.add(taskId)
          await delay(20)
        }
      }
      const loading = load()
      await expect.poll(() => created.size, { timeout: 60_000 }).toBeGreaterThan(300)
      const failover = server.failOver(LOST_MS)
      await delay(LOST_MS * 0.9)
      const { rows: before } = await pool.query<{ last: string }>('select max(id) as last from async_tasks')
      const known = new Set(created)
      await failover
      const target = created.size + 500
      await expect.poll(() => created.size, { timeout: 60_000 }).toBeGreaterThan(target)
      isLoading = false
      await loading
      const unfinished = `select count(*)::int from async_tasks where status in ('pending', 'running')`
      await expect
        .poll(async () => (await pool.query(unfinished)).rows[0].count, { timeout: 100_000, interval: 250 })
        .toBe(0)

      const { rows } = await pool.query<{
        id: string
        task_id: string
        status: string
        result: string | null
      }>('select id, task_id, status, result from async_tasks')
      const repeated = rows.filter(
        ({ id, task_id }) => Number(id) <= Number(before[0]?.last) && !known.has(task_id),
      )
      expect(repeated.length).toBeGreaterThan(0)
      const wrong = rows.filter(({ task_id, status, result }) => {
        return status !== 'completed' || result !== JSON.stringify(task_id)
      })
      expect(wrong).toEqual([])
      console.log(`${rows.length} rows, ${repeated.length} under repeated numbers, ${wrong.length} wrong`)
    } finally {
      await Promise.all(engines.map(({ executor }) => executor.stop().catch(() => {})))
      await endPool(pool, 5_000)
      await server.remove()
    }
  },
)
