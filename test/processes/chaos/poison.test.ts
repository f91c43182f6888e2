import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { between } from './seed.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()

test('poison among good tasks: params that no longer parse fail at once, a task that kills its process fails in the end', async () => {
  const { current } = arena
  const { random } = current
  const good = await current.create(200, 'work', () => ({ ms: between(random, 1, 50) }))
  const [unreadable = ''] = await current.create(1, 'work', () => ({ ms: 1 }))
  await current.query(`update async_task_params set value = '"soon"' where task_id = $1`, [unreadable])
  const [deadly = ''] = await current.create(1, 'deadly', () => ({}), { maxRetries: 1 })

  const survivor = await current.startWorker({ settings: { concurrency: 2 } })
  for (let lives = 2; lives > 0; lives -= 1) {
    // The survivor may be the one that is killed: whoever takes the poison dies.
    const workers = [...current.workers, await current.startWorker({ settings: { concurrency: 2 } })]
    await Promise.race(workers.map((worker) => worker.exited))
  }
  if (survivor.hasExited) await current.startWorker()
  await current.allEnded({ completed: good.length, failed: 2 })
  expect(await current.audit.overlaps()).toEqual([])
  expect(await current.tasks.getTask(unreadable)).toMatchObject({
    status: 'failed',
    retryCount: 0,
    error: expect.stringContaining('INVALID_PARAMS'),
  })
  expect(await current.audit.runs(unreadable)).toEqual([])
  expect(await current.tasks.getTask(deadly)).toMatchObject({
    status: 'failed',
    retryCount: 1,
    error: 'attempt 2 was lost: its executor died',
    attempts: [{ outcome: 'lost' }, { outcome: 'lost' }],
  })
  // Good tasks pay for their neighbour with a retry, not with their lives.
  expect(await current.audit.runs(deadly)).toMatchObject([{ attempt: 1 }, { attempt: 2 }])
})
