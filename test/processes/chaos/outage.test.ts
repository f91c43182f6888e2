import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { between, expectWithin, LONG } from './seed.ts'
import { monotonicMs } from './worker-messages.ts'
import type { LogLine, WorkerProcess } from './worker-process.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()

test('an outage that begins mid-handler: each task completes once, soon after the return, with few words', async () => {
  const { current } = arena
  const { proxy } = current
  // The engine's own connections and a neighbour's: the one must not take the other for dead.
  const [worker, neighbour] = await Promise.all([current.startWorker(), current.startWorker()])
  await Promise.all([current.isSteady(worker), current.isSteady(neighbour)])
  // Every connection of the pools is open, and will break.
  await current.create(100, 'work', () => ({ ms: 5 }))
  await current.allCompleted(100)
  await current.create(16, 'hold')
  await runningHandlers([worker, neighbour], 116)
  const memory = await worker.ask('memory')
  const said = worker.logLines.length

  proxy.set('reset')
  for (const each of [worker, neighbour]) await each.ask('release')
  await expect.poll(() => worker.told('ended').length).toBe(worker.told('started').length)
  await expect
    .poll(async () => (await worker.ask('health')).reasons)
    .toEqual([expect.stringContaining('the heartbeat loop has not run')])
  // The length of the outage is what this test is about; nothing that could be waited for happens meanwhile.
  await elapse(LONG ? 60_000 : 4_000)
  const grown = (await worker.ask('memory')) - memory

  const backAt = monotonicMs()
  proxy.set('none')
  await current.allCompleted(116)
  const took = monotonicMs() - backAt
  expectWithin(took, 5_000)
  expect(await current.audit.count()).toEqual({ tasks: 116, runs: 116 })
  expect(
    await current.query(
      "select distinct attempt, retry_count from async_tasks where result is not null and created_at > now() - interval '1 hour'",
    ),
  ).toEqual([{ attempt: 1, retry_count: 0 }])
  await expect.poll(async () => (await worker.ask('health')).ok).toBe(true)
  await expect
    .poll(async () => (await worker.ask('health')).loops.every((loop) => loop.failures === 0))
    .toBe(true)
  const lines = worker.logLines.slice(said)
  console.log(
    `all completed ${Math.round(took)} ms after the return; heap +${Math.round(grown / 1024)} KiB; ` +
      `said: ${lines.map(({ msg }) => msg).join(' | ')}`,
  )
  expect(lines.length, JSON.stringify(lines, null, 1)).toBeLessThanOrEqual(5)
  expect(grown).toBeLessThan(5 * 2 ** 20)
})

test('packets that vanish: dead connections are given up and everything goes on', async () => {
  const { current } = arena
  const worker = await current.startWorker()
  await current.create(8, 'hold')
  await runningHandlers([worker], 8)
  current.proxy.set('silence')
  await worker.ask('release')
  // Everyone has lost bytes: the heartbeat, the settlements, the connection that listens.
  await expect.poll(async () => (await worker.ask('health')).reasons.length).toBeGreaterThan(0)
  current.proxy.set('none')
  await current.allCompleted(8)
  expect(await current.audit.count()).toEqual({ tasks: 8, runs: 8 })
  await expect.poll(async () => (await worker.ask('health')).ok).toBe(true)
  const more = await current.create(20, 'work', () => ({ ms: 1 }))
  await current.allCompleted(8 + more.length)
})

test('a single executor that is cut off loses its tasks to another, aborts its handlers and changes no row', async () => {
  const { current } = arena
  const cut = await current.startWorker()
  const taskId = await current.createOne('hold')
  await cut.tells('started')
  const other = await current.startWorker({ databaseUrl: current.database.url })
  await current.isSteady(other)
  current.proxy.set('reset')
  await other.tells('started', (run) => run.taskId === taskId)
  current.proxy.set('none')
  await cut.tells('aborted', (run) => run.taskId === taskId)
  await other.ask('release')
  await current.allEnded({ completed: 1 })
  expect(await current.tasks.getTask(taskId)).toMatchObject({
    result: 2,
    retryCount: 1,
    attempts: [
      { attempt: 1, outcome: 'lost' },
      { attempt: 2, outcome: 'completed' },
    ],
  })
})

test('all backends are terminated, again and again, under load', async () => {
  const { current } = arena
  const { random } = current
  await Promise.all([1, 2].map(() => current.startWorker({ logLevel: 'warn' })))
  const count = LONG ? 3_000 : 600
  await current.create(count, 'talk', () => ({ ms: between(random, 1, 100) }))
  for (let round = LONG ? 20 : 4; round > 0; round -= 1) {
    const { completed = 0 } = await current.statuses()
    await current.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
    const target = Math.min(completed + 60, count)
    await expect.poll(async () => (await current.statuses()).completed ?? 0).toBeGreaterThanOrEqual(target)
  }
  await current.allCompleted(count)
  expect(
    await current.query('select 1 from async_tasks where retry_count > 0 and result is not null'),
  ).toEqual([])
})

test('only the connection that listens is terminated: polling goes on, and it listens again', async () => {
  const { current } = arena
  const worker = await current.startWorker({ settings: { pollIntervalMs: 60_000 } })
  for (let round = 0; round < 3; round += 1) {
    await expect.poll(async () => (await current.query(TERMINATE_LISTENER)).length).toBe(1)
    await expect.poll(() => worker.logLines.filter(isListeningAgain).length).toBeGreaterThan(round)
    expect((await worker.ask('health')).ok).toBe(true)
    // Nothing but a notification can wake it.
    const taskId = await current.createOne('work', { ms: 1 })
    await worker.tells('ended', (run) => run.taskId === taskId)
  }
  await current.allCompleted(3)
})

test.for([
  ['a claim', 'tasks_claim'],
  ['a completion', 'tasks_complete'],
] as const)('the answer to %s is lost on the way, many times', async ([_what, statement]) => {
  const { current } = arena
  const { random } = current
  await Promise.all([1, 2].map(() => current.startWorker({ logLevel: 'warn' })))
  const count = 400
  await current.create(count, 'work', () => ({ ms: between(random, 1, 100) }))
  for (let drops = LONG ? 40 : 10; drops > 0; drops -= 1) await current.proxy.dropAnswerTo(statement)
  await current.allCompleted(count)
  // No retry is spent, and what was completed is not run a second time.
  expect(
    await current.query('select 1 from async_tasks where retry_count > 0 and result is not null'),
  ).toEqual([])
  expect(await current.audit.count()).toEqual({ tasks: count, runs: count })
})

const TERMINATE_LISTENER = `
  select pg_terminate_backend(pid) from pg_stat_activity
   where datname = current_database() and application_name = 'fastify-async-tasks listener'
     and query like 'listen%' and state = 'idle'`

async function runningHandlers(workers: WorkerProcess[], count: number): Promise<void> {
  await expect.poll(() => workers.reduce((sum, worker) => sum + worker.told('started').length, 0)).toBe(count)
}

const isListeningAgain = ({ msg }: LogLine) => msg === 'notifications of other processes are received again'

function elapse(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
