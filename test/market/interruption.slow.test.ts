import { afterEach, expect, test } from 'vitest'
import type { TaskContext } from '../../src/engine/definition/context.ts'
import { TaskError } from '../../src/engine/definition/errors.ts'
import { writeUnit } from '../../src/market/store/write-unit.ts'
import { createMarketTasks } from '../../src/market/tasks/index.ts'
import { createEngine, createGate } from '../support/engine.ts'
import { type MarketServer, startMarketServer } from './support/market-server.ts'
import { hang, ScriptedSource } from './support/scripted-source.ts'

const RANGE = { startDate: '2025-12-01', endDate: '2025-12-05', overwrite: true }

let server: MarketServer

afterEach(() => server.close())

/** A backfill of five days whose source hangs on the third until its signal aborts. */
async function startHanging(source: ScriptedSource, timeoutSeconds?: number): Promise<string> {
  server = await startMarketServer(source)
  await server.run('init_stocks')
  source.takeRequests()
  source.script.before = (request, signal) =>
    request === 'bars 2025-12-03' ? hang(signal) : Promise.resolve()
  const { taskId } = await server.engine.manager.createTask('backfill_by_range', RANGE, {
    maxRetries: 1,
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
  })
  // The day before the hanging one is written while that one is fetched.
  await expect.poll(() => server.count('daily_market_data')).toBe(6)
  return taskId
}

const barRequests = (source: ScriptedSource) =>
  source.takeRequests().filter((request) => request.startsWith('bars'))

test('a cancelled backfill stops in the middle of a request and keeps the finished days', async () => {
  const source = new ScriptedSource()
  const taskId = await startHanging(source)
  await server.engine.manager.cancelTask(taskId)
  await expect.poll(async () => (await server.engine.manager.getTask(taskId))?.status).toBe('cancelled')
  expect(barRequests(source)).toEqual(['bars 2025-12-01', 'bars 2025-12-02', 'bars 2025-12-03'])
  expect(await server.count('daily_market_data')).toBe(6)
})

test('started again by an operator, a cancelled backfill does the missing days alone', async () => {
  const source = new ScriptedSource()
  const taskId = await startHanging(source)
  await server.engine.manager.cancelTask(taskId)
  source.takeRequests()
  source.script.before = () => {}
  await expect
    .poll(() => server.engine.manager.retryTask(taskId).catch((error: TaskError) => error.code))
    .toMatchObject({
      taskId,
    })
  const ended = await server.engine.manager.waitFor(taskId, { timeoutMs: 60_000 })
  expect(ended).toMatchObject({ status: 'completed', progress: 5, total: 5, result: { created: 9, days: 5 } })
  expect(barRequests(source)).toEqual(['bars 2025-12-03', 'bars 2025-12-04', 'bars 2025-12-05'])
  expect(await server.count('daily_market_data')).toBe(15)
})

test('an attempt that timed out is followed by one that does the missing days alone', async () => {
  const source = new ScriptedSource()
  const taskId = await startHanging(source, 1)
  source.takeRequests()
  source.script.before = (_request, signal) => {
    // Only the first attempt's signal is aborted by the time.
    if (signal.aborted) throw signal.reason
  }
  const ended = await server.engine.manager.waitFor(taskId, { timeoutMs: 60_000 })
  expect(ended).toMatchObject({ status: 'completed', retryCount: 1, result: { created: 9 } })
  expect(barRequests(source)).toEqual(['bars 2025-12-03', 'bars 2025-12-04', 'bars 2025-12-05'])
})

test('a stopping server hands the backfill back, and the next one does the missing days alone', async () => {
  const source = new ScriptedSource()
  const taskId = await startHanging(source)
  await server.engine.executor.stop()
  expect(await server.engine.manager.getTask(taskId)).toMatchObject({ status: 'pending', retryCount: 0 })
  expect(await server.count('daily_market_data')).toBe(6)

  const other = new ScriptedSource()
  const tasks = createMarketTasks({ pool: server.database.pool, source: other, today: () => '2026-01-05' })
  const next = createEngine(server.database, tasks)
  next.executor.start()
  const ended = await next.manager.waitFor(taskId, { timeoutMs: 60_000 })
  await next.executor.stop()
  expect(ended).toMatchObject({ status: 'completed', result: { created: 9 } })
  expect(barRequests(other)).toEqual(['bars 2025-12-03', 'bars 2025-12-04', 'bars 2025-12-05'])
})

test('a run that has lost its task writes nothing more, though its source answers late', async () => {
  const { open, opened } = createGate()
  const source = new ScriptedSource()
  server = await startMarketServer(source)
  await server.run('init_stocks')
  source.takeRequests()
  const { taskId } = await server.engine.manager.createTask('backfill_by_range', RANGE)
  // Deaf to its signal, as a source that is stuck in a slow library would be.
  source.script.before = (request) => (request === 'bars 2025-12-01' ? opened : undefined)
  await expect.poll(() => source.requests).toContain('bars 2025-12-01')
  await server.engine.manager.cancelTask(taskId)
  open()
  await server.engine.executor.stop()
  expect(await server.count('daily_market_data')).toBe(0)
  expect((await server.engine.manager.getTask(taskId))?.status).toBe('cancelled')
})

test('a deadlock is tried again, and nothing is written without the fence', async () => {
  server = await startMarketServer(new ScriptedSource())
  const { pool } = server.database
  let guards = 0
  const context = {
    taskId: 'none',
    guard: async () => {
      guards += 1
    },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    signal: new AbortController().signal,
  } as unknown as TaskContext

  let conflicts = 2
  const written = await writeUnit(pool, context, async (client) => {
    await client.query(`insert into stocks (symbol, name) values ('000001', 'x')`)
    if (conflicts-- > 0)
      await client.query(`do $$ begin raise exception 'deadlock' using errcode = '40P01'; end $$`)
    return 'written'
  })
  expect(written).toBe('written')
  expect(guards).toBe(3)
  expect(await server.count('stocks')).toBe(1)

  const lost = { ...context, guard: () => Promise.reject(new TaskError('TASK_LOST', 'gone')) }
  const late = writeUnit(pool, lost, (client) => client.query('delete from stocks'))
  await expect(late).rejects.toMatchObject({ code: 'TASK_LOST' })
  expect(await server.count('stocks')).toBe(1)
})

test('deleting a task forgets its finished units', async () => {
  const source = new ScriptedSource()
  const taskId = await startHanging(source)
  await server.engine.manager.cancelTask(taskId)
  await expect
    .poll(() =>
      server.engine.manager.deleteTask(taskId).then(
        () => 'deleted',
        (error: TaskError) => error.code,
      ),
    )
    .toBe('deleted')
  expect(await server.count('market_finished_units')).toBe(0)
  expect(await server.count('daily_market_data')).toBe(6)
})
