import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { TestDatabase } from '../support/database.ts'
import { createEngine, createGate, type Engine, nextEvent } from '../support/engine.ts'
import { SOME_EXECUTOR } from '../support/task-rows.ts'
import { HAS_FAKETIME, type PostgresServer, startPostgres } from './chaos/postgres-server.ts'

const HOUR_SECONDS = 3_600
const settings = { heartbeatIntervalMs: 400, leaseMs: 2_000, pollIntervalMs: 50, concurrency: 4 }

describe.runIf(HAS_FAKETIME || process.env.CI)('when the clock of the database jumps by an hour', () => {
  let server: PostgresServer
  let database: TestDatabase
  let engines: Engine[] = []
  let gate: ReturnType<typeof createGate>
  let runs: string[]
  beforeAll(async () => {
    server = await startPostgres({ maxConnections: 100, clock: true })
  })
  afterAll(() => server.remove())
  beforeEach(async () => {
    gate = createGate()
    runs = []
    database = await server.createDatabase()
  })
  afterEach(async () => {
    gate.open()
    await Promise.all(engines.splice(0).map(({ executor }) => executor.stop()))
    await database.drop()
    server.setClock(0)
  })

  const { task } = createTaskRegistry()
  const work = task('work', { maxRetries: 5 })(async (_params, ctx) => {
    runs.push(ctx.taskId)
    await gate.opened
    return ctx.attempt
  })

  /** Three executors that run ten tasks, and judge each other. */
  async function startThree(): Promise<Engine> {
    const created = [1, 2, 3].map(() => createEngine(database, [work], settings))
    engines = created
    for (const { executor } of created) executor.start()
    const [engine] = created as [Engine]
    await engine.manager.createTasks(Array.from({ length: 10 }, () => ({ task: work, params: {} })))
    await expect.poll(() => runs.length).toBe(10)
    await aDeadOneIsRescued(engine)
    return engine
  }

  /** Somebody judges: it takes as long as it takes, and then everything else that was to be judged has been, too. */
  async function aDeadOneIsRescued({ manager }: Engine, heartbeatAt?: Date): Promise<void> {
    await database.pool.query(
      `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
       values ($1, 'h', 1, 'v', 1, '{work}', $2, coalesce($3, now() - interval '1 minute'))
       on conflict (executor_id) do update set heartbeat_at = excluded.heartbeat_at`,
      [SOME_EXECUTOR, settings.leaseMs, heartbeatAt ?? null],
    )
    const { rows } = await database.pool.query(
      `insert into async_tasks (task_id, task_type, status, attempt, executor_id, started_at)
       values ('task_' || replace(gen_random_uuid()::text, '-', ''), 'other', 'running', 1, $1, now()) returning task_id`,
      [SOME_EXECUTOR],
    )
    const taskId = rows[0].task_id
    await expect
      .poll(async () => (await manager.getTask(taskId))?.attempts, { timeout: 60_000 })
      .toMatchObject([{ attempt: 1, outcome: 'lost' }])
  }

  async function expectEachRanOnce({ manager }: Engine): Promise<void> {
    gate.open()
    const { tasks } = await manager.listTasks({ taskType: 'work' })
    for (const { taskId } of tasks) {
      expect(await manager.waitFor(taskId)).toMatchObject({
        status: 'completed',
        retryCount: 0,
        result: 1,
        attempts: [{ attempt: 1, outcome: 'completed' }],
      })
    }
    expect(tasks).toHaveLength(10)
    expect(new Set(runs).size).toBe(runs.length)
  }

  test.for([1, -1])(
    '%i hour: living executors are not judged by it, and no retry is spent',
    async (hours) => {
      if (hours < 0) server.setClock(HOUR_SECONDS)
      const engine = await startThree()
      const noticed = engines.map(({ events }) => nextEvent(events, 'clockJumped'))
      server.setClock(hours < 0 ? 0 : HOUR_SECONDS)
      for (const { byMs } of await Promise.all(noticed)) {
        expect(Math.abs(byMs - hours * HOUR_SECONDS * 1_000)).toBeLessThan(60_000)
      }
      await aDeadOneIsRescued(engine)
      expect(runs).toHaveLength(10)
      await expectEachRanOnce(engine)
    },
  )

  test('back: an executor that died around the step is dead after a lease, and health warns', async () => {
    server.setClock(HOUR_SECONDS)
    const engine = await startThree()
    expect(engine.executor.health()).toMatchObject({ ok: true, warnings: [] })
    const { rows } = await database.pool.query('select now() as now')
    server.setClock(0)
    await aDeadOneIsRescued(engine, rows[0].now)
    expect(engine.executor.health()).toMatchObject({
      ok: true,
      warnings: [expect.stringContaining("the database's clock went back")],
    })
    await expectEachRanOnce(engine)
  })

  test('back: an executor that starts afterwards warns of heartbeats in the future', async () => {
    const { rows } = await database.pool.query(`select now() + interval '1 hour' as later`)
    await database.pool.query(
      `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
       values ($1, 'h', 1, 'v', 1, '{}', $2, $3)`,
      [SOME_EXECUTOR, settings.leaseMs, rows[0].later],
    )
    engines = [createEngine(database, [work], settings)]
    const [engine] = engines as [Engine]
    const warned = nextEvent(engine.events, 'clockJumped')
    engine.executor.start()
    expect((await warned).behindMs).toBeGreaterThan((HOUR_SECONDS - 60) * 1_000)
    expect(engine.executor.health().warnings).toHaveLength(1)
  })
})
