import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { nextEvent } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()
const SLEEPERS = 100_000

const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN

test('100,000 sleepers slow neither claims nor lists', { timeout: 200_000 }, async () => {
  const { task } = createTaskRegistry()
  const nap = task('nap')(async (_params, ctx) => {
    await ctx.sleep('nap', { days: 1 })
    return 'woke up'
  })
  const noop = task('noop')(() => {})
  const { manager, events } = engines.start([nap, noop], { pollIntervalMs: 50 })
  const { pool } = engines.database
  const measure = async () => {
    const claims: number[] = []
    const lists: number[] = []
    for (let i = 0; i < 50; i += 1) {
      // Of the sleepers' type, and due: the claim has to find it among them.
      const ended = nextEvent(events, 'ended')
      const begun = performance.now()
      await manager.createTask(i % 2 === 0 ? nap : noop)
      await ended
      const listed = performance.now()
      await manager.listTasks({ status: ['pending'] })
      claims.push(listed - begun)
      lists.push(performance.now() - listed)
    }
    return { claim: median(claims), list: median(lists) }
  }
  const before = await measure()
  await pool.query(
    `with slept as (
       insert into async_tasks (task_id, task_type, attempt, created_at, run_at)
       select 'task_s' || i, 'nap', 1, now() - interval '1 hour', now() + interval '1 year' * random() + interval '1 hour'
         from generate_series(1, $1::int) i
       returning task_id, run_at
     ), steps as (
       insert into async_task_steps (task_id, name, attempt, started_at, ended_at)
       select task_id, 'nap', 1, now() - interval '1 hour', run_at from slept
     )
     insert into async_task_attempts (task_id, attempt, started_at, outcome)
     select task_id, 1, now() - interval '1 hour', 'sleeping' from slept`,
    [SLEEPERS],
  )
  await pool.query('vacuum analyze async_tasks, async_task_steps')
  const after = await measure()
  console.log(`before: ${JSON.stringify(before)} ms; with ${SLEEPERS} sleepers: ${JSON.stringify(after)} ms`)
  expect(after.claim).toBeLessThan(before.claim * 3 + 20)
  expect(after.list).toBeLessThan(before.list * 3 + 20)
  await pool.query(`update async_tasks set run_at = now() where task_id = 'task_s7'`)
  expect(await manager.waitFor('task_s7', { timeoutMs: 30_000 })).toMatchObject({ result: 'woke up' })
})
