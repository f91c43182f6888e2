import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { HAS_PGBOUNCER, type PgBouncer, startPgBouncer } from '../../support/pgbouncer-process.ts'
import { useArena } from './arena.ts'
import { between, expectWithin, LONG } from './seed.ts'
import { monotonicMs } from './worker-messages.ts'
import type { LogLine } from './worker-process.ts'

vi.setConfig({ testTimeout: 300_000 })

describe.runIf(HAS_PGBOUNCER)('through PgBouncer in transaction mode', () => {
  let pgbouncer: PgBouncer
  beforeAll(async () => {
    pgbouncer = await startPgBouncer(inject('postgres').adminUrl)
  })
  afterAll(() => pgbouncer.stop())
  const arena = useArena()

  const throughPgBouncer = () => {
    const { url } = arena.current.database
    return { databaseUrl: pgbouncer.urlOf(url), directUrl: url, prepared: false }
  }

  test('all works with a direct connection for LISTEN: load, wake-ups, cancels, a kill', async () => {
    const { current } = arena
    const { random } = current
    const settings = { pollIntervalMs: 60_000 }
    const worker = await current.startWorker({ ...throughPgBouncer(), settings })
    await listens()
    const woken = await current.createOne('work', { ms: 1 })
    await worker.tells('ended', (run) => run.taskId === woken)

    const taskId = await current.createOne('hold')
    await worker.tells('started', (run) => run.taskId === taskId)
    await current.tasks.cancelTask(taskId)
    await worker.tells('aborted', (run) => run.taskId === taskId)

    const others = await Promise.all([1, 2].map(() => current.startWorker(throughPgBouncer())))
    for (const other of others) await current.isSteady(other)
    await current.create(300, 'talk', () => ({ ms: between(random, 20, 120) }))
    await expect.poll(() => worker.told('started').length).toBeGreaterThan(10)
    await current.kill(worker)
    await current.allEnded({ completed: 301, cancelled: 1 })
    expect(await current.audit.overlaps()).toEqual([])
    for (const other of others) expect(other.logLines.filter(({ level }) => level >= 50)).toEqual([])
  })

  test('without a direct connection it polls only, and says so once', async () => {
    const { current } = arena
    const { databaseUrl, prepared } = throughPgBouncer()
    const worker = await current.startWorker({ databaseUrl, prepared })
    const isSaid = ({ msg, error }: LogLine) =>
      error?.name === 'NotificationsDoNotArrive' || msg.includes('notification')
    await expect.poll(() => worker.logLines.filter(isSaid).length).toBe(1)
    expect((await worker.ask('health')).ok).toBe(true)

    await current.create(50, 'work', () => ({ ms: 1 }))
    const taskId = await current.createOne('hold')
    await worker.tells('started', (run) => run.taskId === taskId)
    const cancelledAt = monotonicMs()
    await current.tasks.cancelTask(taskId)
    const { at } = await worker.tells('aborted', (run) => run.taskId === taskId)
    // With the next heartbeat, and the time that a busy machine takes.
    expectWithin(at - cancelledAt, 1_000)
    await current.allEnded({ completed: 50, cancelled: 1 })
    if (!LONG) return
    // It goes on trying, in silence: whoever mends the set-up need not restart.
    const failures = async () =>
      (await worker.ask('health')).loops.find(({ loop }) => loop === 'listener')?.failures
    await expect.poll(failures).toBeGreaterThan(3)
    expect(worker.logLines.filter(isSaid)).toHaveLength(1)
  })

  async function listens(): Promise<void> {
    const listening = `select 1 from pg_stat_activity
                        where datname = current_database() and application_name = 'fastify-async-tasks listener'
                          and query like 'listen%' and state = 'idle'`
    await expect.poll(async () => (await arena.current.query(listening)).length).toBe(1)
  }
})
