import type pg from 'pg'
import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskSettingsInput } from '../../../src/engine/definition/settings.ts'
import { createEngine, createGate, type Engine, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()

/** Of which one runs at a time; says which attempts ran, and `first` waits for its gate. */
function createWork() {
  const { task } = createTaskRegistry()
  const gate = createGate()
  const ran: string[] = []
  const work = task('work', { globalConcurrency: 1 })(async ({ name }, ctx) => {
    ran.push(`${name} ${ctx.attempt}`)
    if (name === 'first') await gate.opened
    return name
  })
  return { work, gate, ran }
}

/** An engine whose exchanges go over a line of the test's making, with two tasks: the first one runs. */
async function startBeside(
  carry: (send: () => Promise<pg.QueryResult>) => Promise<pg.QueryResult>,
  settings: TaskSettingsInput = {},
) {
  const { work, gate, ran } = createWork()
  const { database } = engines
  const pool = slowPool(database.pool, (query, send) =>
    query.text.includes('/* tasks_exchange */') ? carry(send) : send(),
  )
  const engine: Engine = createEngine({ ...database, pool }, [work], {
    concurrency: 4,
    pollIntervalMs: 60_000,
    ...settings,
  })
  const { manager, executor, events } = engine
  executor.start()
  const started = nextEvent(events, 'started')
  const [first, second] = await manager.createTasks(
    ['first', 'second'].map((name) => ({ task: work, params: { name } })),
  )
  await started
  if (!first || !second) throw new Error('two were created')
  return { ...engine, gate, ran, first: first.taskId, second: second.taskId }
}

/** The same, when the first one has ended: the exchange is committed, and its answer waits for `answered`. */
async function startUnanswered() {
  const begun = createGate()
  const answered = createGate()
  const engine = await startBeside(async (send) => {
    const answer = await send()
    begun.open()
    await answered.opened
    return answer
  })
  engine.gate.open()
  await begun.opened
  return { ...engine, answered }
}

test('the end of a task is the start of the next one: places are not left to claims', async () => {
  const { work } = createWork()
  const { database } = engines
  const sent = { exchanges: 0, claims: 0 }
  const pool = slowPool(database.pool, (query, send) => {
    if (query.text.includes('/* tasks_exchange */')) sent.exchanges += 1
    if (query.text.includes('/* tasks_claim_limited */')) sent.claims += 1
    return send()
  })
  const count = 50
  const settings = { concurrency: 4, pollIntervalMs: 60_000 }
  const { manager, executor } = createEngine({ ...database, pool }, [work], settings)
  const created = await manager.createTasks(Array.from({ length: count }, () => ({ task: work })))
  executor.start()
  for (const { taskId } of created) await manager.waitFor(taskId)
  // But for a moment at the start, when a heartbeat has seen a row whose claim had not been answered.
  expect(sent.exchanges).toBeGreaterThan(0.9 * count)
  expect(sent.claims).toBeLessThan(count / 2)
  await executor.stop()
})

test('a stop hands back what an exchange takes after it began, and keeps what that completed', async () => {
  const { executor, manager, ran, first, second, answered } = await startUnanswered()
  const stopped = executor.stop()
  answered.open()
  await stopped
  expect(ran).toEqual(['first 1'])
  expect(await manager.getTask(first)).toMatchObject({ status: 'completed', result: 'first' })
  const handedBack = await manager.getTask(second)
  expect(handedBack).toMatchObject({ status: 'pending', retryCount: 0 })
  expect(handedBack?.attempts).toMatchObject([{ attempt: 1, outcome: 'interrupted' }])
})

test('a task that is cancelled while the exchange that takes it is under way does not run', async () => {
  const { executor, manager, ran, first, second, answered } = await startUnanswered()
  await manager.cancelTask(second)
  answered.open()
  expect(await manager.waitFor(first)).toMatchObject({ status: 'completed' })
  await executor.stop()
  expect(ran).toEqual(['first 1'])
  expect(await manager.getTask(second)).toMatchObject({ status: 'cancelled' })
})

test('with the answer lost, what was completed stays so, and what was taken is handed back and run', async () => {
  let lost = false
  const { executor, events, manager, gate, ran, first, second } = await startBeside(
    async (send) => {
      const answer = await send()
      if (lost) return answer
      lost = true
      throw new Error('Connection terminated unexpectedly')
    },
    { leaseMs: 3_000, heartbeatIntervalMs: 100 },
  )
  const handedBack = nextEvent(events, 'straysHandedBack')
  gate.open()
  expect(await handedBack).toEqual({ taskIds: [second] })
  expect(await manager.waitFor(first)).toMatchObject({ status: 'completed', result: 'first', retryCount: 0 })
  expect(await manager.waitFor(second)).toMatchObject({ status: 'completed', retryCount: 0 })
  expect(ran).toEqual(['first 1', 'second 2'])
  await executor.stop()
})

test('what is wrong with the next task does not fail the one that is done', async () => {
  const { executor, manager, gate, first, second } = await startBeside(async () => {
    throw Object.assign(new Error('no such table'), { code: '42P01' })
  })
  gate.open()
  expect(await manager.waitFor(first)).toMatchObject({ status: 'completed', result: 'first' })
  expect(await manager.waitFor(second)).toMatchObject({ status: 'completed', result: 'second' })
  await executor.stop()
})
