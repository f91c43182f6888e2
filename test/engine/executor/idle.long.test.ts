import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { type TaskSettingsInput, taskSettings } from '../../../src/engine/definition/settings.ts'
import { TaskRunner } from '../../../src/engine/runner.ts'
import { createTestDatabase } from '../../support/database.ts'

const TIMEOUT = { timeout: 700_000 }
/** Tasks that another process creates, each after a rest. */
const CREATED = 20

const startMs = `select (extract(epoch from started_at - created_at) * 1000)::float8 as ms
                   from async_tasks where status = 'completed' order by 1`

test.each<[what: string, settings: TaskSettingsInput, seconds: number, most: number]>([
  ['the default settings', {}, 8, 1.5],
  // Pruning, once an hour, is within this time.
  ['an idle poll interval of a minute', { idlePollIntervalMs: 60_000 }, 600, 0.2],
])(
  'at rest, a process with %s sends at most so many statements a second, and starts at once what another one creates',
  TIMEOUT,
  async (_what, settings, seconds, most) => {
    const database = await createTestDatabase()
    onTestFinished(() => database.drop())
    const pool = createPool({ connectionString: database.url })
    onTestFinished(() => endPool(pool, 1_000))
    const registry = createTaskRegistry()
    const plain = registry.task('plain')(() => {})
    registry.task('limited', { globalConcurrency: 2, concurrency: 1 })(() => {})
    const options = {
      pool,
      settings: taskSettings.parse(settings),
      registry,
      version: 'test',
      prepared: database.prepared,
    }
    const listen = { connectionString: database.directUrl }
    const runner = new TaskRunner({ ...options, executes: true, listen })
    await runner.start()
    onTestFinished(() => runner.stop())
    await expect
      .poll(() =>
        runner.executor
          ?.health()
          .loops.every(({ failures, sinceLastPassMs }) => failures === 0 && sinceLastPassMs < 5_000),
      )
      .toBe(true)
    await delay(2_000)
    // Every pool and the listener alike: all statements of the process go through a client.
    const query = vi.spyOn(pg.Client.prototype, 'query')
    onTestFinished(() => query.mockRestore())
    const begun = performance.now()
    await delay(seconds * 1_000)
    const perSecond = query.mock.calls.length / ((performance.now() - begun) / 1_000)
    console.log(`at rest: ${perSecond.toFixed(3)} statements a second`)
    expect(perSecond).toBeGreaterThan(0.1)
    expect(perSecond).toBeLessThanOrEqual(most)
    query.mockRestore()
    const other = new TaskRunner({ ...options, executes: false, listen: undefined })
    await other.start()
    onTestFinished(() => other.stop())
    for (let i = 0; i < CREATED; i += 1) {
      await runner.manager.waitFor((await other.manager.createTask(plain)).taskId)
      await delay(1_000)
    }
    const { rows } = await pool.query<{ ms: number }>(startMs)
    const latest = rows.map(({ ms }) => ms)
    console.log(`started after ${latest.map((ms) => ms.toFixed(1)).join(', ')} ms`)
    expect(latest).toHaveLength(CREATED)
    expect(latest.at(-1)).toBeLessThanOrEqual(50)
  },
)
