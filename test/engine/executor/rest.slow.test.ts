import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { captureAllStatements } from '../../support/plans.ts'

const engines = useEngines()
const hears = { hears: true }
/** A poll at rest comes after the test's patience. */
const resting = {
  pollIntervalMs: 20,
  idlePollIntervalMs: 60_000,
  heartbeatIntervalMs: 100,
  leaseMs: 1_000,
  concurrency: 2,
}
const PATIENCE_MS = 30_000

const counts = (texts: readonly string[]) => ({
  claims: texts.filter((text) => /\/\* tasks_(claim|due_types)/.test(text)).length,
  beats: texts.filter((text) => text.includes('/* tasks_executor_beat')).length,
})

/** What is sent while this process and others together send so many heartbeats. */
async function duringBeats(count: number) {
  const texts: string[] = []
  while (counts(texts).beats < count) {
    const sent = await captureAllStatements(async () => {
      await engines.database.pool.query('select pg_sleep(0.2)')
    })
    texts.push(...sent.map(({ text }) => text))
  }
  return counts(texts)
}

const expectRest = () => expect.poll(async () => (await duringBeats(5)).claims, { timeout: 60_000 }).toBe(0)

describe.each([1, 20])('with %i types, an executor at rest', (types) => {
  function start(settings = {}, options = hears) {
    const { task } = createTaskRegistry()
    const work = task('work')(() => 'done')
    const all = [work, ...Array.from({ length: types - 1 }, (_, i) => task(`other${i}`)(() => {}))]
    return { work, all, worker: engines.start(all, { ...resting, ...settings }, options) }
  }

  test('sends no claims, fewer heartbeats, and starts what others create', async () => {
    const { all, work, worker } = start()
    await expectRest()
    const begun = performance.now()
    const { beats } = await duringBeats(5)
    // Every 200 ms instead of 100.
    expect(beats).toBeLessThanOrEqual((performance.now() - begun) / 190 + 1)
    const { manager } = engines.create(all, resting, hears)
    for (const options of [{}, { delayMs: 300 }, {}]) {
      const { taskId } = await manager.createTask(work, {}, options)
      expect(await worker.manager.waitFor(taskId, { timeoutMs: PATIENCE_MS })).toMatchObject({
        result: 'done',
      })
    }
    await expectRest()
    expect(worker.executor.health()).toMatchObject({ ok: true })
  })

  test('polls as often as ever while notifications do not arrive', async () => {
    start({}, { hears: false })
    // At rest from the second heartbeat on, it would send none.
    await duringBeats(5)
    expect((await duringBeats(5)).claims).toBeGreaterThan(2)
  })

  test('claims within the idle interval what comes without a notification', async () => {
    const { worker } = start({ idlePollIntervalMs: 2_000 })
    await expectRest()
    await engines.database.pool.query(
      `insert into async_tasks (task_id, task_type) values ('task_x', 'work')`,
    )
    expect(await nextEvent(worker.events, 'ended')).toMatchObject({ taskId: 'task_x' })
  })

  test('goes on polling while a due task is locked, and claims it then', async () => {
    const { worker } = start()
    await expectRest()
    const client = await engines.database.pool.connect()
    try {
      await client.query('begin')
      await client.query(`insert into async_tasks (task_id, task_type) values ('task_x', 'work')`)
      await client.query('commit')
      await client.query('begin')
      await client.query(`select from async_tasks for update`)
      worker.executor.wake()
      const { claims } = await duringBeats(5)
      expect(claims).toBeGreaterThan(2)
      const ended = nextEvent(worker.events, 'ended')
      await client.query('commit')
      expect(await ended).toMatchObject({ taskId: 'task_x' })
    } finally {
      client.release()
    }
  })
})

test('an executor at rest polls again when the connection that listens breaks', async () => {
  const work = createTaskRegistry().task('work')(() => {})
  const worker = engines.start([work], resting, hears)
  await expectRest()
  const failed = nextEvent(worker.events, 'loopFailed', ({ loop }) => loop === 'listener')
  const claims = captureAllStatements(async () => {
    await engines.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'fastify-async-tasks listener'`,
    )
    await failed
    await nextEvent(worker.events, 'loopRecovered', ({ loop }) => loop === 'listener')
  })
  expect(counts((await claims).map(({ text }) => text)).claims).toBeGreaterThan(0)
  await expectRest()
})
