import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { between, LONG, pick } from './seed.ts'

vi.setConfig({ testTimeout: LONG ? 1_200_000 : 300_000 })
const arena = useArena()

const KILL_INTERVAL_MS = 2_000

test('processes are killed while their tasks fail: each final failure has exactly one follow-up', async () => {
  const { current } = arena
  const { random } = current
  const settings = { logLevel: 'warn' } as const
  const count = LONG ? 10_000 : 300
  const running = async () => (await current.statuses()).running ?? 0
  await Promise.all(Array.from({ length: 3 }, () => current.startWorker(settings)))
  // The last attempt is lost as often as it throws.
  const ids = await current.create(count, 'doomed', () => ({ ms: between(random, 5, 100) }), {
    maxRetries: 1,
  })
  for (let kills = 0; LONG ? (await current.statuses()).pending !== undefined : kills < 4; kills += 1) {
    const victim = pick(random, current.workers)
    if (LONG) await delay(KILL_INTERVAL_MS)
    else await expect.poll(running, { interval: 10 }).toBeGreaterThan(0)
    await current.kill(victim)
    await current.startWorker(settings)
  }
  await current.allEnded({ failed: count, completed: count }, LONG ? 600_000 : 120_000)

  const followUps = await current.query<{ failed: string; followUps: number }>(
    `select (value::json)#>>'{}' as failed, count(*)::int as "followUps"
       from async_task_params join async_tasks using (task_id)
      where task_type = 'mourn' and key = 'taskId'
      group by 1`,
  )
  expect(followUps.filter((one) => one.followUps !== 1)).toEqual([])
  expect(followUps.map(({ failed }) => failed).toSorted()).toEqual(ids.toSorted())
  const errors = await current.query<{ lost: boolean; count: number }>(
    `select error_message like '%its executor died' as lost, count(*)::int
       from async_tasks where task_type = 'doomed' group by 1`,
  )
  console.log(`${count} failures: ${errors.map(({ lost, count }) => `${count} ${lost ? 'lost' : 'thrown'}`)}`)
  expect(await current.audit.overlaps()).toEqual([])
})
