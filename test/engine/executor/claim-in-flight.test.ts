import type pg from 'pg'
import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskSettingsInput } from '../../../src/engine/definition/settings.ts'
import { createEngine, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

type Carry = (send: () => Promise<pg.QueryResult>) => Promise<pg.QueryResult>

/** An executor whose claims with a limit over all processes go through `carry`, or its plain ones. */
function createOn(carry: Carry, isLimited: boolean, settings: TaskSettingsInput = {}) {
  const { task } = createTaskRegistry()
  const ran: number[] = []
  const work = task(
    'work',
    isLimited ? { globalConcurrency: 1 } : {},
  )((_params, ctx) => {
    ran.push(ctx.attempt)
  })
  const name = isLimited ? 'tasks_claim_limited' : 'tasks_claim'
  const { database } = engines
  const pool = slowClaims(database.pool, `/* ${name} */`, carry)
  const engine = createEngine({ ...database, pool }, [work], { pollIntervalMs: 60_000, ...settings })
  return { ...engine, work, ran }
}

function slowClaims(pool: pg.Pool, marker: string, carry: Carry): pg.Pool {
  const query = (config: pg.QueryConfig) =>
    config.text.includes(marker) ? carry(() => pool.query(config)) : pool.query(config)
  return Object.create(pool, { query: { value: query } })
}

/** A claim that has taken the task, and whose response waits for `respond`. */
async function startInFlight(isLimited: boolean) {
  const claimed = createGate()
  const answered = createGate()
  const engine = createOn(async (send) => {
    const result = await send()
    if (result.rows.every((row) => row.id === null)) return result
    claimed.open()
    await answered.opened
    return result
  }, isLimited)
  const { taskId } = await engine.manager.createTask(engine.work)
  engine.executor.start()
  await claimed.opened
  return { ...engine, taskId, respond: () => answered.open() }
}

test.each([
  ['plain', false],
  ['limited', true],
])('a stop releases what a %s claim in flight takes, no retry spent', async (_name, isLimited) => {
  const { executor, manager, ran, taskId, respond } = await startInFlight(isLimited)
  const stopped = executor.stop()
  respond()
  await stopped
  expect(ran).toEqual([])
  const released = await manager.getTask(taskId)
  expect(released).toMatchObject({ status: 'pending', retryCount: 0 })
  expect(released?.attempts).toMatchObject([{ attempt: 1, outcome: 'interrupted' }])
})

test.each([
  ['plain', false],
  ['limited', true],
])('a task cancelled while a %s claim of it is in flight does not run', async (_name, isLimited) => {
  const { executor, manager, ran, taskId, respond } = await startInFlight(isLimited)
  await manager.cancelTask(taskId)
  respond()
  await executor.stop()
  expect(ran).toEqual([])
  expect(await manager.getTask(taskId)).toMatchObject({ status: 'cancelled' })
})

test.each([
  ['plain', false],
  ['limited', true],
])('a %s claim whose response is lost is released, and its task runs', async (_name, isLimited) => {
  let isLost = false
  const loseOnce: Carry = async (send) => {
    const result = await send()
    if (isLost || result.rows.every((row) => row.id === null)) return result
    isLost = true
    throw new Error('Connection terminated unexpectedly')
  }
  const settings = { leaseMs: 30_000, heartbeatIntervalMs: 100 }
  const { executor, events, manager, work, ran } = createOn(loseOnce, isLimited, settings)
  const released = nextEvent(events, 'orphansReleased')
  const { taskId } = await manager.createTask(work)
  executor.start()
  expect(await released).toEqual({ taskIds: [taskId] })
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', retryCount: 0 })
  expect(ran).toEqual([2])
  await executor.stop()
})
