import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { type Arena, useArena } from './arena.ts'
import { between, LONG, pick } from './seed.ts'

vi.setConfig({ testTimeout: 600_000 })
const arena = useArena()

const SECONDS = LONG ? 300 : 15
const PROCESSES = 3

test(`${PROCESSES} processes, killed and started at random for ${SECONDS} s: each tick makes one task`, async () => {
  const { current } = arena
  await Promise.all(Array.from({ length: PROCESSES }, () => current.startWorker({ logLevel: 'warn' })))
  const options = { task: 'work', params: { ms: 20 } }
  const every = await current.tasks.createSchedule({
    ...options,
    name: 'every',
    cron: '* * * * * *',
    missed: 'all',
  })
  await current.tasks.createSchedule({ ...options, name: 'skipping', cron: '*/2 * * * * *', missed: 'skip' })
  const first = every.nextRunAt as Date

  const { kills, nobodyForMs } = await killAndStart(current, +first + SECONDS * 1_000)
  if (current.workers.length === 0) await current.startWorker({ logLevel: 'warn' })
  // What nobody was there for is made up for.
  const lastTick = async () => (await current.tasks.getSchedule('every'))?.lastRunAt ?? first
  await expect.poll(async () => +(await lastTick())).toBeGreaterThan(+first + SECONDS * 1_000)
  for (const name of ['every', 'skipping']) await current.tasks.updateSchedule(name, { enabled: false })

  const ticks = await ticksOf(current, 'every')
  const count = (+(await lastTick()) - +first) / 1_000 + 1
  expect(ticks).toEqual(Array.from({ length: count }, (_, i) => +first + i * 1_000))
  const skipping = await ticksOf(current, 'skipping')
  expect(skipping).toEqual([...new Set(skipping)])
  await current.allEnded({ completed: ticks.length + skipping.length }, 60_000)
  expect(await current.audit.overlaps()).toEqual([])
  console.log(
    `${count} ticks, ${kills} kills, nobody ready for up to ${Math.round(nobodyForMs)} ms; ${await latency(current)}`,
  )
})

interface Chaos {
  readonly kills: number
  /** The longest time in which there was no process that was ready, in milliseconds. */
  readonly nobodyForMs: number
}

/** Kills and starts workers until then, at times all of them. */
async function killAndStart(current: Arena, until: number): Promise<Chaos> {
  const { random } = current
  let kills = 0
  let lastReady = performance.now()
  let nobodyForMs = 0
  const look = () => {
    if (current.workers.some((worker) => worker.told('ready').length > 0)) lastReady = performance.now()
    nobodyForMs = Math.max(nobodyForMs, performance.now() - lastReady)
  }
  const looking = setInterval(look, 20)
  while (Date.now() < until) {
    await delay(between(random, 100, LONG ? 5_000 : 1_500))
    const alive = current.workers.length
    if (alive > 0 && between(random, 1, PROCESSES) <= alive) {
      await current.kill(pick(random, current.workers))
      kills += 1
    } else {
      // Some are killed while they start.
      current.forkWorker({ logLevel: 'warn' })
    }
  }
  await Promise.all(current.workers.map((worker) => worker.tells('ready')))
  clearInterval(looking)
  return { kills, nobodyForMs }
}

/** As the logs of the tasks say: a rescue changes when a task is due. */
async function ticksOf(current: Arena, schedule: string): Promise<number[]> {
  const rows = await current.query<{ tick: string }>(
    `select substring(message from ' for (.*)$') as tick from async_task_logs
      where starts_with(message, $1) order by 1`,
    [`created by schedule '${schedule}' for `],
  )
  return rows.map(({ tick }) => Date.parse(tick))
}

async function latency(current: Arena): Promise<string> {
  const [row] = await current.query<{ p50: number; p90: number; max: number }>(
    `select percentile_disc(0.5) within group (order by ms)::int as p50,
            percentile_disc(0.9) within group (order by ms)::int as p90, max(ms)::int as max
       from (select extract(epoch from t.created_at - substring(message from ' for (.*)$')::timestamptz) * 1000 as ms
               from async_task_logs l join async_tasks t using (task_id)
              where starts_with(message, 'created by schedule ''every''')) late`,
  )
  return `tasks came ${row?.p50} ms (p50), ${row?.p90} ms (p90), ${row?.max} ms (max) after their ticks`
}
