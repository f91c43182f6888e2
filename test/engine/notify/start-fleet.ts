import { expect } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate, type Engine, nextEvent } from '../../support/engine.ts'
import type { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'

type Engines = ReturnType<typeof useEngines>

export const PATIENCE = { timeout: 120_000 }
/** Nothing is found but by notifications; heartbeats tell how many there are. */
const deafOtherwise = { pollIntervalMs: 60_000, heartbeatIntervalMs: 200, leaseMs: 600_000 }
const hears = { hears: true }

/** Executors of a fleet, and a process that creates tasks and runs none. */
export async function startFleet(engines: Engines, size: number) {
  const { task } = createTaskRegistry()
  const gate = createGate()
  const quick = task('quick')(() => {})
  const long = task('long')(() => gate.opened)
  const fleet = Array.from({ length: size }, () => engines.start([quick, long], deafOtherwise, hears))
  await expect.poll(() => countListeners(engines), PATIENCE).toBe(size)
  // The second heartbeat leaves when the answer to the first has been read.
  for (let beats = 0; beats < 2; beats += 1) await everyHeartbeat(engines, size)
  const creator = engines.create([], deafOtherwise, hears)
  return { fleet, creator, gate }
}

async function countListeners(engines: Engines): Promise<number> {
  const { rows } = await engines.database.pool.query(
    `select from pg_stat_activity
      where datname = current_database() and application_name = 'fastify-async-tasks listener'
        and state = 'idle' and query like 'listen %'`,
  )
  return rows.length
}

async function everyHeartbeat(engines: Engines, size: number): Promise<void> {
  const { pool } = engines.database
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now')
  const haveBeaten = async () => {
    const text = 'select count(*)::int as count from async_task_executors where heartbeat_at > $1'
    const { rows: found } = await pool.query<{ count: number }>(text, [rows[0]?.now])
    return found[0]?.count
  }
  await expect.poll(haveBeaten, PATIENCE).toBe(size)
}

const endOf = (fleet: readonly Engine[]) =>
  Promise.race(fleet.map(({ events }) => nextEvent(events, 'ended')))

/** The claims of all executors while `created` tasks are created and run one after the other. */
export async function countClaims(engines: Engines, size: number, created: number): Promise<number> {
  const { fleet, creator } = await startFleet(engines, size)
  const statements = await captureStatements(engines.database.pool, async () => {
    for (let i = 0; i < created; i += 1) {
      const ended = endOf(fleet)
      const { taskId } = await creator.manager.createTask('quick')
      expect(await ended).toMatchObject({ taskId })
    }
  })
  return statements.filter(({ text }) => text.startsWith('/* tasks_claim */')).length
}
