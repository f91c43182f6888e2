import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'

vi.setConfig({ testTimeout: 290_000 })
const arena = useArena()
const SLEEPERS = 100_000
const AT_A_TIME = 20_000

test('a process that has put 100,000 tasks to sleep needs no more memory than before', async () => {
  const { current } = arena
  const settings = { concurrency: 50 }
  const worker = await current.startWorker({ settings, quiet: true, logLevel: 'warn' })
  const begun = performance.now()
  const putToSleep = async (count: number) => {
    await current.create(count, 'nap')
    // Read from the indexes of what runs and what is due: a count of all rows would slow what is measured.
    const awake = `select exists (select from async_tasks where status = 'running')
                       or exists (select from async_tasks where status = 'pending' and task_type = 'nap' and run_at <= now()
                                   order by priority desc, run_at, id limit 1) as awake`
    while ((await current.query<{ awake: boolean }>(awake))[0]?.awake) await delay(200)
  }
  await putToSleep(5_000)
  // The code is compiled by then.
  const before = await worker.ask('memory')
  for (let asleep = 0; asleep < SLEEPERS; asleep += AT_A_TIME) {
    await putToSleep(AT_A_TIME)
    console.log(`${asleep + AT_A_TIME} asleep after ${((performance.now() - begun) / 1_000).toFixed(0)} s`)
  }
  const after = await worker.ask('memory')
  const { rows } = await current.database.pool.query<{ asleep: number }>(
    `select count(*)::int as asleep from async_tasks where task_type = 'nap' and status = 'pending' and attempt = 1`,
  )
  expect(rows).toEqual([{ asleep: SLEEPERS + 5_000 }])
  console.log(
    `${(before / 1e6).toFixed(2)} MB; with ${SLEEPERS} sleepers more ${(after / 1e6).toFixed(2)} MB`,
  )
  expect(after / before).toBeLessThanOrEqual(1.05)
})
