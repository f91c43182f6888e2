import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import type { WorkerProcess } from './worker-process.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()
const SLEEPERS = 100_000

test('a process that has put 100,000 tasks to sleep needs no more memory than before', async () => {
  const { current } = arena
  const worker = await current.startWorker({ settings: { concurrency: 50 }, quiet: true })
  const putToSleep = async (count: number, of: WorkerProcess) => {
    await current.create(count, 'nap')
    const awake = `select 1 from async_tasks where task_type = 'nap' and attempt = 0 limit 1`
    await expect.poll(() => current.query(awake), { timeout: 240_000, interval: 500 }).toEqual([])
    await expect
      .poll(() => current.query(`select 1 from async_tasks where status = 'running'`), { interval: 100 })
      .toEqual([])
    return of.ask('memory')
  }
  // The code is compiled by then.
  const before = await putToSleep(5_000, worker)
  const after = await putToSleep(SLEEPERS, worker)
  console.log(
    `${(before / 1e6).toFixed(2)} MB; with ${SLEEPERS} sleepers more ${(after / 1e6).toFixed(2)} MB`,
  )
  expect(after / before).toBeLessThanOrEqual(1.05)
})
