import { expect, test } from 'vitest'
import { RetryAfter } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const COUNT = 10_000
const FIRST_MS = 15_000
const OVER_MS = 60_000

const someMs = () => FIRST_MS + Math.floor(Math.random() * OVER_MS)

const { task } = createTaskRegistry()
const kinds = {
  delayed: task('delayed')(() => {}),
  retried: task('retried')((_params, { attempt }) => {
    if (attempt === 1) throw new RetryAfter(someMs())
  }),
  asleep: task('asleep')((_params, ctx) => ctx.sleep('a while', someMs())),
}

const rounds = (['delayed', 'retried', 'asleep'] as const).flatMap((kind) =>
  (['here', 'elsewhere'] as const).map((where) => [kind, where] as const),
)

test.each(rounds)(
  '10,000 tasks that are %s, and created %s, start on time',
  { timeout: 290_000 },
  async (kind, where) => {
    const hears = { hears: true }
    const one = kinds[kind]
    const worker = engines.start([one], { concurrency: 20 }, hears)
    // Another one that may have heard of none of them.
    if (where === 'elsewhere' && kind !== 'delayed') engines.start([one], { concurrency: 20 }, hears)
    const { manager } = where === 'here' ? worker : engines.create([one], {}, hears)
    for (let from = 0; from < COUNT; from += 500) {
      await manager.createTasks(
        Array.from({ length: 500 }, () => ({ task: one, ...(kind === 'delayed' && { delayMs: someMs() }) })),
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
      .poll(async () => (await readLate()).length, { timeout: 200_000, interval: 2_000 })
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
