import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const COUNT = 10_000
const OVER_MS = 60_000

test.each(['here', 'elsewhere'])(
  '10,000 delayed tasks that are created %s start on time',
  { timeout: 240_000 },
  async (where) => {
    const work = createTaskRegistry().task('work')(() => {})
    const hears = { hears: true }
    const worker = engines.start([work], { concurrency: 20 }, hears)
    const { manager } = where === 'here' ? worker : engines.create([work], {}, hears)
    for (let from = 0; from < COUNT; from += 500) {
      await manager.createTasks(
        Array.from({ length: 500 }, () => ({
          task: work,
          delayMs: 10_000 + Math.floor(Math.random() * OVER_MS),
        })),
      )
    }
    const { pool } = engines.database
    const readLate = async () => {
      const { rows } = await pool.query<{ ms: number }>(
        `select extract(epoch from started_at - run_at)::float8 * 1000 as ms from async_tasks
        where status = 'completed' order by 1`,
      )
      return rows.map(({ ms }) => ms)
    }
    await expect
      .poll(async () => (await readLate()).length, { timeout: 150_000, interval: 2_000 })
      .toBe(COUNT)
    const late = await readLate()
    const at = (share: number) => late[Math.floor(share * (COUNT - 1))] as number
    console.log(
      `late by ${at(0.5).toFixed(1)} ms (p50), ${at(0.99).toFixed(1)} ms (p99), ${at(1).toFixed(1)} ms at most`,
    )
    expect(at(0)).toBeGreaterThanOrEqual(0)
    expect(at(0.5)).toBeLessThanOrEqual(10)
    expect(at(0.99)).toBeLessThanOrEqual(50)
  },
)
