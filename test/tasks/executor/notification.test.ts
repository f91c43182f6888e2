import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/tasks/registry.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
/** Without a hint nothing would be found within the time of a test. */
const deafOtherwise = { pollIntervalMs: 60_000, heartbeatIntervalMs: 60_000, leaseMs: 600_000 }
const hears = { hears: true }

describe('notifications', () => {
  test('wake an idle executor in another process', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => 'done')
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(worker)
    const other = engines.create([work], deafOtherwise, hears)
    for (let i = 0; i < 20; i += 1) {
      const ended = nextEvent(worker.events, 'ended')
      const { taskId } = await other.manager.createTask(work)
      expect(await ended).toMatchObject({ taskId })
    }
  })

  test('carry a cancel to the process that runs the task', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const heard = createGate()
    const work = task('work')(async (_params, { signal }) => {
      started.open()
      await aborted(signal)
      heard.open()
    })
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(worker)
    const other = engines.create([work], deafOtherwise, hears)
    const { taskId } = await other.manager.createTask(work)
    await started.opened
    await other.manager.cancelTask(taskId)
    await heard.opened
  })

  test('come back after the connection that listens was ended, and what was missed is read again', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const heard = createGate()
    const work = task('work')(async (_params, { signal }) => {
      started.open()
      await aborted(signal)
      heard.open()
    })
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(worker)
    const deaf = engines.create([work])
    await deaf.manager.createTask(work)
    worker.executor.wake()
    await started.opened
    // Cancelled without a hint, while nobody listens.
    const [running] = (await deaf.manager.listTasks({ status: ['running'] })).tasks
    await deaf.manager.cancelTask(running?.taskId ?? '')
    const failed = nextEvent(worker.events, 'loopFailed', ({ loop }) => loop === 'listener')
    const recovered = nextEvent(worker.events, 'loopRecovered', ({ loop }) => loop === 'listener')
    await engines.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'fastify-async-tasks listener'`,
    )
    await Promise.all([failed, recovered, heard.opened])
    expect(worker.executor.health().ok).toBe(true)
  })

  test('are not sent for what this process takes at once by itself', async () => {
    const { task } = createTaskRegistry()
    const hold = createGate()
    const work = task('work')(() => hold.opened)
    const { executor } = engines.create([work], { concurrency: 2 })
    expect(executor.runsAtOnce(['work'])).toBe(false)
    executor.start()
    expect(executor.runsAtOnce(['work', 'work'])).toBe(true)
    expect(executor.runsAtOnce(['work', 'work', 'work'])).toBe(false)
    expect(executor.runsAtOnce(['unknown'])).toBe(false)
    hold.open()
  })

  /** The listener has gone through its first probe. */
  async function listening({ executor }: ReturnType<typeof engines.start>): Promise<void> {
    await expect
      .poll(async () => {
        const { rows } = await engines.database.pool.query(
          `select state, query from pg_stat_activity
            where datname = current_database() and application_name = 'fastify-async-tasks listener'`,
        )
        return rows.map(({ state, query }) => [state, query.startsWith('listen')])
      })
      .toEqual([['idle', true]])
    expect(executor.health().loops.map(({ loop }) => loop)).toContain('listener')
  }
})
