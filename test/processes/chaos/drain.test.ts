import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { expectWithin } from './seed.ts'
import { monotonicMs } from './worker-messages.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()

test('SIGTERM: what runs is finished, what waits is left to others, and the process ends with 0', async () => {
  const { current } = arena
  const leaving = await current.startWorker({ settings: { concurrency: 4 } })
  const ids = await current.create(12, 'hold')
  await expect.poll(() => leaving.told('started').length).toBe(4)
  leaving.signal('SIGTERM')
  await expect.poll(async () => (await leaving.ask('health')).reasons).toEqual(['shutting down'])
  expect(await current.statuses()).toEqual({ running: 4, pending: 8 })
  await leaving.ask('release')
  expect(await leaving.exited).toBe(0)
  expect(await current.statuses()).toEqual({ completed: 4, pending: 8 })
  expect(leaving.told('aborted')).toEqual([])

  const next = await current.startWorker({ settings: { concurrency: 12 } })
  await next.ask('release')
  await current.allCompleted(12)
  expect(await current.audit.count()).toEqual({ tasks: 12, runs: 12 })
  for (const taskId of ids) expect(await current.tasks.getTask(taskId)).toMatchObject({ retryCount: 0 })
})

test('SIGTERM past the deadline: handlers are aborted and handed back, no retry spent; those that ignore it later', async () => {
  const { current } = arena
  const leaving = await current.startWorker({ settings: { shutdownTimeoutMs: 3_000, cancelGraceMs: 3_000 } })
  const polite = await current.create(3, 'hold')
  const deaf = await current.create(3, 'deaf')
  await expect.poll(() => leaving.told('started').length).toBe(6)
  const askedAt = monotonicMs()
  leaving.signal('SIGTERM')
  expect(await leaving.exited).toBe(0)
  expectWithin(monotonicMs() - askedAt, 3_500)
  await current.audit.noteDeath(leaving.name)
  expect(await current.statuses()).toEqual({ pending: 6 })
  const due = await current.query<{ task_type: string; later: boolean }>(
    `select task_type, bool_and(run_at > ended_at + interval '2 seconds') as later
       from async_tasks join async_task_attempts using (task_id) group by 1 order by 1`,
  )
  expect(due).toEqual([
    { task_type: 'deaf', later: true },
    { task_type: 'hold', later: false },
  ])
  const next = await current.startWorker()
  await next.ask('release')
  await current.allCompleted(6)
  for (const taskId of [...polite, ...deaf]) {
    expect(await current.tasks.getTask(taskId)).toMatchObject({
      retryCount: 0,
      attempts: [{ outcome: 'interrupted' }, { outcome: 'completed' }],
    })
  }
})

test('a second SIGTERM ends the process at once with 1, and the lease does the rest', async () => {
  const { current } = arena
  const [leaving, staying] = await Promise.all([current.startWorker(), current.startWorker()])
  await current.isSteady(staying)
  await current.create(16, 'hold')
  await expect.poll(() => leaving.told('started').length + staying.told('started').length).toBe(16)
  leaving.signal('SIGTERM')
  await expect.poll(async () => (await leaving.ask('health')).reasons).toEqual(['shutting down'])
  const askedAt = monotonicMs()
  leaving.signal('SIGTERM')
  expect(await leaving.exited).toBe(1)
  expectWithin(monotonicMs() - askedAt, 1_000)
  await current.audit.noteDeath(leaving.name)
  await staying.ask('release')
  await current.allCompleted(16)
  expect(await current.query('select count(*)::int from async_tasks where retry_count = 1')).toEqual([
    { count: leaving.told('started').length },
  ])
})

test('SIGTERM with the database away: the process ends in time with 1, and the lease does the rest', async () => {
  const { current } = arena
  const leaving = await current.startWorker({ settings: { shutdownTimeoutMs: 2_000 } })
  await current.create(4, 'hold')
  await expect.poll(() => leaving.told('started').length).toBe(4)
  current.proxy.set('reset')
  await leaving.ask('release')
  const askedAt = monotonicMs()
  leaving.signal('SIGTERM')
  expect(await leaving.exited).toBe(1)
  expectWithin(monotonicMs() - askedAt, 4_000)
  await current.audit.noteDeath(leaving.name)
  expect(await current.statuses()).toEqual({ running: 4 })
  current.proxy.set('none')
  const next = await current.startWorker()
  await next.ask('release')
  await current.allCompleted(4)
})
