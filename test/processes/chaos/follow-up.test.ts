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
  const count = LONG ? 10_000 : 800
  await Promise.all(Array.from({ length: 3 }, () => current.startWorker(settings)))
  const params = () => ({ ms: between(random, 50, 400) })
  const ids = [
    ...(await current.create(count / 2, 'doomed', params, { maxRetries: 0 })),
    ...(await current.create(count / 2, 'doomed', params, { maxRetries: 1 })),
  ]
  for (let kills = 0; LONG || kills < 4; kills += 1) {
    if (LONG) await delay(KILL_INTERVAL_MS)
    const victim = pick(random, current.workers)
    // Somewhere in its work; at the end there may be none left.
    const from = victim.told('started').length
    const isOver = async () => (await current.statuses()).pending === undefined
    const isBusy = async () => victim.told('started').length > from || (await isOver())
    await expect.poll(isBusy, { interval: 10, timeout: 60_000 }).toBe(true)
    if (await isOver()) break
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
  expect(errors).toHaveLength(2)
  expect(await current.audit.overlaps()).toEqual([])
})
