import pg from 'pg'
import { describe, expect, test, vi } from 'vitest'
import { createPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { partsOf } from '../../../src/engine/create/manager-parts.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { TaskManager } from '../../../src/engine/manager/manager.ts'
import { Notifier } from '../../../src/engine/notify/notifier.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { CHANNEL } from '../../../src/engine/store/notify.ts'
import { aborted, createGate, createObedientTask, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'
import { slowPool } from '../../support/slow-pool.ts'
import { listening } from './listening.ts'

const engines = useEngines()
/** Without a hint nothing would be found within the time of a test. */
const deafOtherwise = { pollIntervalMs: 60_000, heartbeatIntervalMs: 60_000, leaseMs: 600_000 }
const hears = { hears: true }

describe('notifications', () => {
  test('wake an idle executor in another process', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => 'done')
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(engines, worker)
    const other = engines.create([work], deafOtherwise, hears)
    for (let i = 0; i < 20; i += 1) {
      const ended = nextEvent(worker.events, 'ended')
      const { taskId } = await other.manager.createTask(work)
      expect(await ended).toMatchObject({ taskId })
    }
  })

  test('come with the commit of a task, in one statement', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager } = engines.create([work], deafOtherwise, hears)
    await whileListening(async (received) => {
      const statements = await captureStatements(engines.database.pool, () => manager.createTask(work))
      expect(statements).toHaveLength(1)
      await expect.poll(() => received).toEqual([expect.stringMatching(/^due 1 \d+$/)])
    })
  })

  test('are limited in number, and leave out no task, the last one included', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager } = engines.create([work], deafOtherwise, hears)
    await whileListening(async (received) => {
      const from = performance.now()
      const created = 50
      for (let i = 0; i < created; i += 1) await manager.createTask(work)
      const counted = () => received.reduce((sum, payload) => sum + Number(payload.split(' ')[1]), 0)
      await expect.poll(counted).toBe(created)
      expect(received.length).toBeLessThanOrEqual((performance.now() - from) / 5 + 2)
    })
  })

  test('are not sent for a task that is due later', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager } = engines.create([work], deafOtherwise, hears)
    await whileListening(async (received) => {
      await manager.createTask(work, {}, { delayMs: 600_000 })
      await manager.createTask(work)
      await expect.poll(() => received).toEqual([expect.stringMatching(/^due 1 \d+$/)])
    })
  })

  test('tell of a delayed task at once, and of those after it together, the earliest', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager } = engines.create([work], deafOtherwise, hears)
    await whileListening(async (received) => {
      const from = performance.now()
      const first = await manager.createTask(work, {}, { delayMs: 60_000 })
      await expect.poll(() => received).toEqual([`later ${Number(first.runAt)}`])
      let last = first
      for (let i = 20; i > 0; i -= 1)
        last = await manager.createTask(work, {}, { delayMs: 65_000 + i * 1_000 })
      await expect.poll(() => received.at(-1)).toBe(`later ${Number(last.runAt)}`)
      expect(received.length).toBeLessThanOrEqual((performance.now() - from) / 500 + 1)
      const earlier = await manager.createTask(work, {}, { delayMs: 30_000 })
      await expect.poll(() => received.at(-1)).toBe(`later ${Number(earlier.runAt)}`)
    })
  })

  test('that PostgreSQL has no room for are left out: the task is created all the same', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    await engines.database.pool.query(
      `create function public.pg_notify(text, text) returns void language plpgsql as
         $$ begin raise 'too many notifications in the NOTIFY queue' using errcode = '54000'; end $$`,
    )
    const url = new URL(engines.database.directUrl)
    url.searchParams.set('options', '-c search_path=public,pg_catalog')
    const pool = createPool({ connectionString: url.href, max: 2 })
    try {
      const db = createDatabase(pool, { prepared: true })
      const { manager, events } = engines.create([work])
      const full = new TaskManager({ ...partsOf(manager), db, limiter: { takeTurn: () => true } })
      const due = nextEvent(events, 'due')
      const created: string[] = []
      const statements = await captureStatements(pool, async () => {
        created.push((await full.createTask(work)).taskId)
      })
      expect(statements).toHaveLength(2)
      // Others are notified later.
      expect(await due).toEqual({ count: 1 })
      expect(await manager.getTask(created[0] ?? '')).toMatchObject({ status: 'pending' })
    } finally {
      await pool.end()
    }
  })

  test('that no process sends are made up for by a poll after the next task', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const mayEnd = createGate()
    const hold = task('hold')(async () => {
      started.open()
      await mayEnd.opened
    })
    const work = task('work')(() => {})
    const worker = engines.start([hold, work], { ...deafOtherwise, concurrency: 4 }, hears)
    await listening(engines, worker)
    const silent = engines.create([hold, work])
    await engines.create([hold, work], deafOtherwise, hears).manager.createTask(hold)
    await started.opened
    const { taskId } = await silent.manager.createTask(work)
    const ended = nextEvent(worker.events, 'ended', (event) => event.taskId === taskId)
    mayEnd.open()
    await ended
  })

  test('are sent for what a stop releases', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const work = task('work')(async (_params, { attempt, signal }) => {
      started.open()
      if (attempt === 1) await aborted(signal)
      return attempt
    })
    const settings = { ...deafOtherwise, shutdownTimeoutMs: 100 }
    const first = engines.start([work], settings, hears)
    const { taskId } = await first.manager.createTask(work)
    await started.opened
    const second = engines.start([work], deafOtherwise, hears)
    await listening(engines, second, 2)
    const ended = nextEvent(second.events, 'ended')
    await first.executor.stop()
    expect(await ended).toMatchObject({ taskId, attempt: 2, outcome: 'completed' })
  })

  test('are sent at the end of a stop, because this process alone may know of more', async () => {
    const { task } = createTaskRegistry()
    const { executor } = engines.start([task('work')(() => {})], deafOtherwise, hears)
    const statements = await captureStatements(engines.database.pool, () => executor.stop())
    const sent = statements.map(({ text, values }) => (text.includes('pg_notify') ? values[0] : text))
    expect(sent.slice(-2)).toEqual([expect.stringContaining('tasks_executor_stop'), 'due'])
  })

  test('are sent for what was released, rescued or claimed without a response: others may have capacity', async () => {
    const sent: Promise<unknown>[] = []
    const payloads: unknown[] = []
    const pool = slowPool(engines.database.pool, ({ values }, send) => {
      const answer = send()
      payloads.push(values?.[0])
      sent.push(answer)
      return answer
    })
    const events = new TaskEvents()
    const db = createDatabase(pool, { prepared: false })
    const notifier = new Notifier({ db, events, holds: () => false })
    const run = { taskId: 'task_1', taskType: 'work', attempt: 1, durationMs: 1 }
    try {
      events.emit('rescued', { tasks: [] })
      await expect.poll(() => payloads).toEqual(['due'])
      events.emit('orphansReleased', { taskIds: [] })
      await expect.poll(() => payloads).toEqual(['due', 'due'])
      events.emit('ended', { ...run, outcome: 'completed' })
      events.emit('ended', { ...run, outcome: 'interrupted' })
      notifier.flush()
      expect(payloads).toEqual(['due', 'due', 'due'])
    } finally {
      notifier.flush()
      await Promise.all(sent)
    }
  })

  test('come back after the connection that listens was ended, and what was missed is read again', async () => {
    const { work, started, heard } = createObedientTask()
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(engines, worker)
    const deaf = engines.create([work])
    await deaf.manager.createTask(work)
    worker.executor.wake()
    await started
    // Cancelled without a hint, while nobody listens.
    const [running] = (await deaf.manager.listTasks({ status: ['running'] })).tasks
    await deaf.manager.cancelTask(running?.taskId ?? '')
    const failed = nextEvent(worker.events, 'loopFailed', ({ loop }) => loop === 'listener')
    const recovered = nextEvent(worker.events, 'loopRecovered', ({ loop }) => loop === 'listener')
    await engines.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'fastify-async-tasks listener'`,
    )
    await Promise.all([failed, recovered, heard])
    expect(worker.executor.health().ok).toBe(true)
  })

  test('that were suppressed are sent when the process stops', async () => {
    const { db, events } = engines.create([])
    const notifier = new Notifier({ db, events, holds: () => false })
    const statements = await captureStatements(db.pool, async () => {
      // No time passes between them.
      vi.useFakeTimers({ toFake: ['performance'] })
      for (let i = 0; i < 3; i += 1) events.emit('capacityReleased', { taskTypes: ['work'] })
      notifier.flush()
      vi.useRealTimers()
    })
    expect(statements.map(({ values }) => values)).toEqual([['due'], ['due']])
  })

  /** `received` holds the payloads of all notifications since the work began. */
  async function whileListening(work: (received: readonly string[]) => Promise<void>): Promise<void> {
    const client = new pg.Client({ connectionString: engines.database.directUrl })
    const received: string[] = []
    client.on('notification', ({ payload = '' }) => received.push(payload))
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
      await work(received)
    } finally {
      await client.end()
    }
  }

  /** Resolves when so many executors listen, this one among them. */
})
