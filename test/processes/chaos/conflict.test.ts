import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { countHeldUp } from '../../support/held-up.ts'
import { useArena } from './arena.ts'
import { between, expectWithin, LONG } from './seed.ts'
import { monotonicMs } from './worker-messages.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()

/** Refuses every other completion, as a serialisable transaction next door would. A sequence outlives a rollback. */
const REFUSE = `
  create sequence completions;
  create function refuse() returns trigger language plpgsql as $$
  begin
    if nextval('completions') % 2 > 0 then
      raise exception 'could not serialize access' using errcode = '40001';
    end if;
    return new;
  end $$;
  create trigger refuse before update on async_tasks for each row
    when (new.status = 'completed') execute function refuse()`

test('serialisation failures at the completion: written in the end, once, and no handler runs again', async () => {
  const { current } = arena
  await current.query(REFUSE)
  await current.startWorker({ logLevel: 'warn' })
  await current.create(24, 'work', () => ({ ms: 1 }))
  await current.allCompleted(24)
  expect(await current.audit.count()).toEqual({ tasks: 24, runs: 24 })
  expect(await current.query('select 1 from async_tasks where attempt > 1 and result is not null')).toEqual(
    [],
  )
})

test('a row lock on the completing row delays that one task, and no other', async () => {
  const { current } = arena
  const worker = await current.startWorker({ settings: { concurrency: 2 } })
  const taskId = await current.createOne('hold')
  await worker.tells('started')
  const blocker = await current.database.pool.connect()
  await blocker.query('begin')
  await blocker.query('select 1 from async_tasks where task_id = $1 for update', [taskId])
  await worker.ask('release')
  await worker.tells('ended')
  const others = await current.create(20, 'work', () => ({ ms: 1 }))
  await expect.poll(() => current.statuses()).toEqual({ running: 1, completed: 20 })
  // The completion is tried again and again, and never leaves more than one backend waiting for the lock.
  const meetings: number[] = []
  await expect
    .poll(
      async () => {
        meetings.push(await countHeldUp(current.database.pool))
        return meetings.filter((met, i) => met > 0 && meetings[i - 1] === 0).length
      },
      { interval: 100 },
    )
    .toBeGreaterThan(2)
  expect(Math.max(...meetings)).toBe(1)
  await blocker.query('commit')
  blocker.release()
  await current.allCompleted(1 + others.length)
  expect(await current.tasks.getTask(taskId)).toMatchObject({
    retryCount: 0,
    attempts: [{ attempt: 1, outcome: 'completed' }],
  })
})

test('a cancel that races the completion: one of them wins, for good, and everybody agrees who', async () => {
  const { current } = arena
  const { random } = current
  const worker = await current.startWorker({ settings: { concurrency: 20 }, logLevel: 'warn' })
  const count = LONG ? 2_000 : 300
  const ms = 20
  const ids: string[] = []
  const answers = new Map<string, string>()
  while (ids.length < count) {
    const batch = await current.create(20, 'work', () => ({ ms }))
    ids.push(...batch)
    await Promise.all(
      batch.map(async (taskId) => {
        await worker.tells('started', (run) => run.taskId === taskId)
        // Around the moment at which the handler returns: before, between return and completion, after.
        await delay(between(random, ms - 12, ms + 12))
        const answer = await current.tasks.cancelTask(taskId).then(
          (task) => task.status,
          (error: { code: string }) => error.code,
        )
        answers.set(taskId, answer)
      }),
    )
  }
  await expect
    .poll(async () => {
      const { pending = 0, running = 0 } = await current.statuses()
      return pending + running
    })
    .toBe(0)
  const { completed = 0, cancelled = 0 } = await current.statuses()
  console.log(`${completed} completed, ${cancelled} cancelled`)
  expect(Math.min(completed, cancelled)).toBeGreaterThan(0)
  await expect.poll(() => worker.told('ended').length).toBe(worker.told('started').length)
  for (const taskId of ids) {
    const task = await current.tasks.getTask(taskId)
    const wasCancelled = answers.get(taskId) === 'cancelled'
    expect(answers.get(taskId)).toBe(wasCancelled ? 'cancelled' : 'TASK_ALREADY_FINISHED')
    expect(task).toMatchObject(
      wasCancelled
        ? { status: 'cancelled', completedAt: null, result: null }
        : { status: 'completed', cancelledAt: null, result: 1 },
    )
    expect(await current.audit.runs(taskId)).toHaveLength(1)
  }
  expect(await current.audit.overlaps()).toEqual([])
})

test('a cancel reaches the handler in another process at once', async () => {
  const { current } = arena
  const worker = await current.startWorker({ settings: { concurrency: 1, pollIntervalMs: 20 } })
  const latencies: number[] = []
  for (let i = 0; i < 200; i += 1) {
    const taskId = await current.createOne('hold')
    await worker.tells('started', (run) => run.taskId === taskId)
    const askedAt = monotonicMs()
    await current.tasks.cancelTask(taskId)
    const { at } = await worker.tells('aborted', (run) => run.taskId === taskId)
    latencies.push(at - askedAt)
  }
  latencies.sort((a, b) => a - b)
  const [p50 = Number.NaN, p99 = Number.NaN] = [latencies[99], latencies[197]]
  console.log(`cancel to abort over 200 tries: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`)
  expectWithin(p50, 20)
  expectWithin(p99, 150)
})
