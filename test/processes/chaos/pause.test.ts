import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { LONG } from './seed.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()

test('an executor that was paused beyond its lease changes no row of its lost tasks and aborts their handlers', async () => {
  const { current } = arena
  const paused = await current.startWorker()
  const ids = await current.create(8, 'deaf')
  await expect.poll(() => paused.told('started').length).toBe(8)
  const other = await current.startWorker({ settings: { concurrency: 4 } })
  await current.isSteady(other)
  paused.signal('SIGSTOP')
  await other.ask('release')
  await expect.poll(() => current.statuses()).toEqual({ completed: 8 })
  // With every column, and the transaction that wrote it last.
  const rows = () => current.query('select to_jsonb(t), xmin::text from async_tasks t order by id')
  const before = await rows()

  paused.signal('SIGCONT')
  for (const taskId of ids) await paused.tells('aborted', (run) => run.taskId === taskId)
  expect(paused.told('aborted').map(({ reason }) => reason)).toEqual(
    ids.map(() => expect.stringContaining('was taken away from this executor')),
  )
  // Its handlers return, and what they then write comes too late.
  await paused.ask('release')
  await expect.poll(() => paused.told('ended').length).toBe(8)
  await expect.poll(async () => (await paused.ask('health')).ok).toBe(true)
  const last = await current.createOne('work', { ms: 1 })
  await current.allEnded({ completed: 9 })
  expect((await rows()).slice(0, before.length)).toEqual(before)
  for (const taskId of ids) {
    expect((await current.audit.runs(taskId)).map(({ worker }) => worker)).toEqual([paused.name, other.name])
    expect(await current.tasks.getTask(taskId)).toMatchObject({
      executorId: expect.not.stringMatching((await executorOf(paused.pid)) ?? ''),
      attempts: [{ outcome: 'lost' }, { outcome: 'completed' }],
    })
  }
  expect(await current.audit.runs(last)).toHaveLength(1)

  async function executorOf(pid: number): Promise<string | undefined> {
    return (await current.tasks.listExecutors()).find((executor) => executor.pid === pid)?.id
  }
})

test('an executor that wakes up with due tasks waiting claims none before others can see that it lives', async () => {
  const { current } = arena
  const paused = await current.startWorker()
  const other = await current.startWorker()
  await Promise.all([current.isSteady(paused), current.isSteady(other)])
  for (let round = 0; round < (LONG ? 20 : 1); round += 1) {
    paused.signal('SIGSTOP')
    await expect
      .poll(async () => (await current.tasks.listExecutors()).filter(({ pid }) => pid === paused.pid))
      .toMatchObject([{ alive: false }])
    await current.create(100, 'work', () => ({ ms: 300 }))
    paused.signal('SIGCONT')
    await current.allCompleted(100 * (round + 1))
  }
  expect(
    await current.query('select 1 from async_tasks where retry_count > 0 and result is not null'),
  ).toEqual([])
})

test('clocks that differ between processes decide nothing: only the time of the database counts', async () => {
  const { current } = arena
  const day = 86_400_000
  const workers = [
    await current.startWorker({ clockOffsetMs: -day }),
    await current.startWorker({ clockOffsetMs: day }),
    await current.startWorker(),
  ]
  for (const worker of workers) await current.isSteady(worker)
  const later = await current.createOne('work', { ms: 1 }, { runAt: new Date(Date.now() + day / 2) })
  await current.create(60, 'work', () => ({ ms: 50 }))
  await expect.poll(() => current.statuses()).toEqual({ completed: 60, pending: 1 })
  for (const worker of workers) expect(worker.told('started').length).toBeGreaterThan(0)
  // Nobody is taken for dead, nothing is dated by a wrong clock, and what is due later has not begun.
  expect(
    await current.query('select 1 from async_tasks where retry_count > 0 and result is not null'),
  ).toEqual([])
  const misdated = `select task_id from async_tasks where result is not null
                      and (started_at not between created_at and now() or completed_at not between started_at and now())
                      and not starts_with(task_id, 'task_bystander')`
  expect(await current.query(misdated)).toEqual([])
  expect(await current.audit.runs(later)).toEqual([])

  // A death is noticed as soon as elsewhere, also by those with wrong clocks.
  await current.create(24, 'hold')
  await expect.poll(() => workers.reduce((sum, worker) => sum + worker.told('started').length, 0)).toBe(84)
  const [victim, ...rest] = workers
  if (!victim) throw new Error('there are three')
  await current.kill(victim)
  for (const worker of rest) await worker.ask('release')
  await expect.poll(() => current.statuses()).toEqual({ completed: 84, pending: 1 })
  expect(await current.audit.overlaps()).toEqual([])
})
