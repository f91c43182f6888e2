import { once } from 'node:events'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createPool, withTransaction } from '../../src/db/client.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { taskSettings } from '../../src/engine/definition/settings.ts'
import { TaskRunner } from '../../src/engine/runner.ts'
import { CHANNEL } from '../../src/engine/store/notify.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'
import { rememberTypes } from '../support/remember-types.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await createTestDatabase()
})

afterEach(() => database.drop())

test('handlers that hold every connection of the pool stop neither the heartbeat nor their own completion', async () => {
  const pool = createPool({ connectionString: database.url, max: 2 })
  const registry = createTaskRegistry()
  const holding = [createGate(), createGate()]
  const goOn = createGate()
  let runs = 0
  const greedy = registry.task('greedy')(async (_params, ctx) => {
    await withTransaction(pool, async (tx) => {
      holding[runs++]?.open()
      await goOn.opened
      ctx.log.info('still writing')
      await ctx.complete(tx, 'done')
    })
  })
  const runner = new TaskRunner({
    pool,
    registry,
    settings: taskSettings.parse({ heartbeatIntervalMs: 100, leaseMs: 2_000 }),
    version: 'test',
    executes: true,
    prepared: database.prepared,
    listen: undefined,
  })
  const created = await runner.manager.createTasks([{ task: greedy }, { task: greedy }])
  await runner.start()
  await Promise.all(holding.map(({ opened }) => opened))
  const heartbeat = async () => {
    const { rows } = await database.pool.query('select heartbeat_at from async_task_executors')
    return Number(rows[0].heartbeat_at)
  }
  const before = await heartbeat()
  await expect.poll(heartbeat).toBeGreaterThan(before + 600)
  expect(runner.executor?.health()).toMatchObject({ ok: true })
  goOn.open()
  for (const { taskId } of created) {
    expect(await runner.manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'done' })
  }
  await runner.stop()
  await pool.end()
})

test('the first task finds an open connection; no event or log line shows that', async () => {
  const pool = createPool({ connectionString: database.url })
  const runner = new TaskRunner({
    pool,
    registry: createTaskRegistry(),
    settings: taskSettings.parse({}),
    version: 'test',
    executes: false,
    prepared: database.prepared,
    listen: undefined,
  })
  const listener = new pg.Client({ connectionString: database.directUrl })
  try {
    await listener.connect()
    await listener.query(`listen ${CHANNEL}`)
    const heard = once(listener, 'notification')
    await rememberTypes(database.pool, 'first')
    await runner.start()
    await expect.poll(() => pool.idleCount).toBe(1)
    await database.pool.query(`select pg_notify('${CHANNEL}', 'nothing before')`)
    expect(await heard).toEqual([expect.objectContaining({ payload: 'nothing before' })])
    expect(await runner.manager.createTask('first')).toMatchObject({ status: 'pending' })
    expect(pool.totalCount).toBe(1)
  } finally {
    await listener.end()
    await runner.stop()
    await pool.end()
  }
})
