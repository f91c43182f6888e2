import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate, type Engine, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'

const engines = useEngines()
const SIZE = 12
const PATIENCE = { timeout: 120_000 }
/** Nothing is found but by notifications; heartbeats tell how many there are. */
const deafOtherwise = { pollIntervalMs: 60_000, heartbeatIntervalMs: 200, leaseMs: 600_000 }
const hears = { hears: true }

async function startFleet() {
  const { task } = createTaskRegistry()
  const gate = createGate()
  const quick = task('quick')(() => {})
  const long = task('long')(() => gate.opened)
  const fleet = Array.from({ length: SIZE }, () => engines.start([quick, long], deafOtherwise, hears))
  await expect.poll(() => countListeners(), PATIENCE).toBe(SIZE)
  // The second heartbeat leaves when the answer to the first has been read.
  for (let beats = 0; beats < 2; beats += 1) await everyHeartbeat()
  const creator = engines.create([], deafOtherwise, hears)
  return { fleet, creator, gate }
}

async function countListeners(): Promise<number> {
  const { rows } = await engines.database.pool.query(
    `select from pg_stat_activity
      where datname = current_database() and application_name = 'fastify-async-tasks listener'
        and state = 'idle' and query like 'listen %'`,
  )
  return rows.length
}

async function everyHeartbeat(): Promise<void> {
  const { pool } = engines.database
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now')
  const haveBeaten = async () => {
    const text = 'select count(*)::int as count from async_task_executors where heartbeat_at > $1'
    const { rows: found } = await pool.query<{ count: number }>(text, [rows[0]?.now])
    return found[0]?.count
  }
  await expect.poll(haveBeaten, PATIENCE).toBe(SIZE)
}

const endOf = (fleet: readonly Engine[]) =>
  Promise.race(fleet.map(({ events }) => nextEvent(events, 'ended')))

describe('a fleet', () => {
  test('claims a few times for each created task, not once an executor', PATIENCE, async () => {
    const { fleet, creator } = await startFleet()
    const created = 20
    const statements = await captureStatements(engines.database.pool, async () => {
      for (let i = 0; i < created; i += 1) {
        const ended = endOf(fleet)
        const { taskId } = await creator.manager.createTask('quick')
        expect(await ended).toMatchObject({ taskId })
      }
    })
    const claims = statements.filter(({ text }) => text.startsWith('/* tasks_claim */'))
    expect(claims.length).toBeLessThanOrEqual(3 * created)
  })

  test('fills all of its slots with a burst', PATIENCE, async () => {
    const { creator, gate } = await startFleet()
    const burst = Array.from({ length: 2 * SIZE }, () => ({ task: 'long' }))
    await creator.manager.createTasks(burst)
    const { pool } = engines.database
    const countRunning = async () =>
      (await pool.query(`select from async_tasks where status = 'running'`)).rowCount
    await expect.poll(countRunning, PATIENCE).toBe(burst.length)
    gate.open()
  })

  test('fills all of its slots with tasks that are created one by one', PATIENCE, async () => {
    const { creator, gate } = await startFleet()
    const all = 2 * SIZE
    for (let i = 0; i < 4 * all; i += 1) await creator.manager.createTask('long')
    const { pool } = engines.database
    const countRunning = async () =>
      (await pool.query(`select from async_tasks where status = 'running'`)).rowCount
    await expect.poll(countRunning, PATIENCE).toBe(all)
    gate.open()
  })
})
