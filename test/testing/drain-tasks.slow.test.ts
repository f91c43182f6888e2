import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { advanceTime, drainTasks, expectTask, findCreated, waitForTask } from '../../src/testing/index.ts'
import { createEngine, createGate } from '../support/engine.ts'
import { useEngines } from '../support/engines.ts'
import { rememberTypes } from '../support/remember-types.ts'
import { slowPool } from '../support/slow-pool.ts'
import { inStatus, useTaskTables } from '../support/task-rows.ts'

const engines = useEngines()
const { task } = createTaskRegistry()

const chain = task('chain', { params: z.object({ left: z.int() }) })(async ({ left }, ctx) => {
  if (left > 0) await ctx.createTask('chain', { left: left - 1 })
})
const flaky = task('flaky', { maxRetries: 1 })((_params, ctx) => {
  if (ctx.attempt === 1) throw new Error('not yet')
})

describe('drainTasks', () => {
  test('runs what is due and what that creates, and leaves other types and later tasks alone', async () => {
    await rememberTypes(engines.database.pool, 'elsewhere')
    const { manager } = engines.create([chain])
    await manager.createTask(chain, { left: 5 })
    const later = await manager.createTask(chain, { left: 0 }, { delayMs: 60_000 })
    const other = await manager.createTask('elsewhere')
    const attempts = await drainTasks(manager)
    expect(attempts).toHaveLength(6)
    expect(attempts[0]).toEqual({
      taskId: expect.any(String),
      taskType: 'chain',
      attempt: 1,
      outcome: 'completed',
    })
    for (const { taskId } of [later, other]) {
      expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending' })
    }
    expect(await drainTasks({ tasks: manager })).toEqual([])
    expect((await manager.listExecutors()).map(({ id }) => id)).toEqual([])
  })

  test('answers failed attempts, whose retries are due when time has passed', async () => {
    const { manager } = engines.create([flaky])
    const { taskId } = await manager.createTask(flaky)
    expect(await drainTasks(manager)).toMatchObject([
      { outcome: 'failed', error: 'not yet', retryInMs: 1_000 },
    ])
    await advanceTime(manager, 1_000)
    expect(await drainTasks(manager)).toMatchObject([{ attempt: 2, outcome: 'completed' }])
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'completed', retryCount: 1 })
  })

  test('names what has not ended in time', async () => {
    const gate = createGate()
    const waiting = task('waiting')(() => gate.opened)
    const { manager } = engines.create([waiting], { shutdownTimeoutMs: 500 })
    const { taskId } = await manager.createTask(waiting)
    const drained = drainTasks(manager, { timeoutMs: 100 })
    await expect(drained).rejects.toThrow(`still due or running after 100 ms: ${taskId}`)
    gate.open()
  })

  test('says which of them another executor has', async () => {
    const started = createGate()
    const gate = createGate()
    const waiting = task('elsewhere_running')(() => {
      started.open()
      return gate.opened
    })
    const { manager } = engines.start([waiting])
    const { taskId } = await manager.createTask(waiting)
    await started.opened
    await expect(drainTasks(manager, { timeoutMs: 100 })).rejects.toThrow(
      `still due or running after 100 ms: ${taskId} (another executor has it)`,
    )
    gate.open()
  })

  test('answers an attempt whose end is in the table before its own process has heard of it', async () => {
    const written = createGate()
    const drained = createGate()
    const pool = slowPool(engines.database.pool, async ({ text }, send) => {
      const answer = await send()
      if (text.includes('tasks_complete')) {
        written.open()
        await drained.opened
      }
      // Until then every look finds the task, which is due or runs.
      if (text.includes('next_run_at <= clock_timestamp()') && answer.rows.length === 0) {
        await written.opened
        setImmediate(drained.open)
      }
      return answer
    })
    const { manager } = createEngine({ ...engines.database, pool }, [chain])
    const { taskId } = await manager.createTask(chain, { left: 0 })
    expect(await drainTasks(manager)).toMatchObject([{ taskId, outcome: 'completed' }])
  })

  test('leaves tasks of a paused type, and waits for none of them', async () => {
    const { manager } = engines.create([chain])
    await manager.pauseTaskType('chain')
    const { taskId } = await manager.createTask(chain, { left: 0 })
    expect(await drainTasks(manager, { timeoutMs: 5_000 })).toEqual([])
    await manager.resumeTaskType('chain')
    expect(await drainTasks(manager)).toMatchObject([{ taskId }])
  })

  test('goes together with an executor of the app', async () => {
    const { manager } = engines.start([chain], { pollIntervalMs: 20 })
    await manager.createTask(chain, { left: 3 })
    await drainTasks(manager)
    expect(await manager.listTasks({ status: ['completed'] })).toMatchObject({ total: 4 })
  })

  test('wants a manager', async () => {
    await expect(drainTasks({} as never)).rejects.toThrow('expected a TaskManager')
  })
})

describe('finding what was created', () => {
  const note = task('note', {
    params: z.object({
      to: z.string(),
      at: z.coerce.date().optional(),
      data: z.record(z.string(), z.json()).optional(),
    }),
    redact: ['to'],
  })(() => 'noted')

  test('compares params with those that are stored, part by part', async () => {
    const { manager } = engines.create([note, chain])
    const at = new Date('2026-01-01')
    const first = await manager.createTask(note, { to: 'ada', at, data: { list: [1], deep: { a: 1, b: 2 } } })
    await manager.createTask(note, { to: 'bob' })
    await manager.createTask(chain, { left: 0 })
    const ids = async (params: object) =>
      (await findCreated(manager, note, params)).map(({ taskId }) => taskId)
    expect(await ids({})).toHaveLength(2)
    expect(await ids({ to: 'ada', at })).toEqual([first.taskId])
    expect(await ids({ data: { deep: { b: 2 } } })).toEqual([first.taskId])
    expect(await ids({ data: { list: [] } })).toEqual([])
    expect(await findCreated(manager, 'note', { to: 'bob' })).toMatchObject([{ params: { to: 'bob' } }])
    expect(await expectTask(manager, note, { to: 'ada' })).toMatchObject({ taskId: first.taskId })
  })

  test('says what there is instead', async () => {
    const { manager } = engines.create([note])
    await expect(expectTask(manager, note)).rejects.toThrow(`expected one task 'note' with {}, found none`)
    for (const to of ['ada', 'bob']) await manager.createTask(note, { to })
    await expect(expectTask(manager, note, { to: 'eve' })).rejects.toThrow(
      /found none; there are:\n.*"ada".*\n.*"bob"/,
    )
    await expect(expectTask(manager, note)).rejects.toThrow('found 2')
  })

  test('waits for the end of one', async () => {
    const { manager } = engines.start([note], { pollIntervalMs: 20 })
    await manager.createTask(note, { to: 'ada' })
    const { result } = await waitForTask(manager, note, { to: 'ada' })
    expect(result).toBe('noted')
    const { taskId } = await expectTask(manager, note)
    await expect(manager.waitFor(taskId, { task: chain })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('time that passes', () => {
  test('makes ticks due, whose tasks are drained', async () => {
    const { manager } = engines.create([chain])
    await manager.createSchedule({
      name: 'daily',
      cron: '@daily',
      task: chain,
      params: { left: 1 },
      missed: 'once',
    })
    expect(await drainTasks(manager)).toEqual([])
    await advanceTime(manager, 86_399_500)
    expect(await drainTasks(manager)).toHaveLength(2)
    const schedule = await manager.getSchedule('daily')
    expect(schedule?.lastRunAt?.getTime()).toBeLessThanOrEqual(Date.now())
    expect(schedule?.nextRunAt?.getTime()).toBeGreaterThan(Date.now())
  })

  test("wakes the app's executor, which finds what has become due and what ticked", async () => {
    const { manager, executor } = engines.start([chain], { pollIntervalMs: 60_000 })
    const later = await manager.createTask(chain, { left: 0 }, { delayMs: 3_600_000 })
    await manager.createSchedule({
      name: 'daily',
      cron: '@daily',
      task: chain,
      params: { left: 0 },
      missed: 'once',
    })
    const app = { tasks: manager, taskExecutor: executor }
    await advanceTime(app, 86_400_000)
    expect(await manager.waitFor(later.taskId, { timeoutMs: 20_000 })).toMatchObject({ status: 'completed' })
    await expect.poll(async () => (await manager.listTasks({ status: ['completed'] })).total).toBe(2)
  })
})

describe('advanceTime', () => {
  const tables = useTaskTables()

  test('makes every instant of tasks, attempts and logs older, and nothing else', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert({ ...inStatus('failed'), created_at: '2024-01-01T00:00:00Z' })
    await tables.pool.query(
      `insert into async_task_attempts (task_id, attempt, started_at, ended_at, outcome)
       values ($1, 1, '2024-01-01T00:00:01Z', '2024-01-01T00:00:02Z', 'failed')`,
      [taskId],
    )
    await advanceTime(manager, 86_400_000)
    expect(await manager.getTask(taskId)).toMatchObject({
      createdAt: new Date('2023-12-31T00:00:00Z'),
      startedAt: new Date('2023-12-31T00:00:01Z'),
      completedAt: new Date('2023-12-31T00:00:02Z'),
      cancelledAt: null,
      attempts: [{ endedAt: new Date('2023-12-31T00:00:02Z') }],
    })
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(advanceTime(manager, ms)).rejects.toThrow(RangeError)
    }
  })
})

test('drainTasks leaves sleeping tasks alone, unless it is to skip their sleeps', async () => {
  const nap = task('nap')(async (_params, ctx) => {
    await ctx.sleep('a day', { days: 1 })
    await ctx.sleep('a week', { days: 7 })
  })
  const { manager } = engines.create([nap])
  const { taskId } = await manager.createTask(nap)
  const later = await manager.createTask(nap, {}, { delayMs: 30 * 86_400_000 })
  const [slept] = await drainTasks(manager)
  expect([slept?.taskId, slept?.outcome, slept?.wakesInMs]).toEqual([taskId, 'sleeping', 86_400_000])
  expect(await drainTasks(manager)).toEqual([])
  await advanceTime(manager, 86_400_000)
  expect(await drainTasks(manager)).toMatchObject([{ taskId, attempt: 2, outcome: 'sleeping' }])
  expect(await drainTasks(manager, { skipSleeps: true })).toMatchObject([{ taskId, outcome: 'completed' }])
  expect(await manager.getTask(later.taskId)).toMatchObject({ status: 'pending', stepCount: 0 })
})

test('drainTasks leaves tasks that wait for a permit pending, and advanceTime returns permits', async () => {
  const mail = task('mail', {
    params: z.object({ to: z.string() }),
    rateLimit: { max: 2, perSeconds: 3_600, key: ({ to }) => to },
  })(() => {})
  const { manager } = engines.create([mail])
  const to = ['ada', 'ada', 'ada', 'bob', 'ada']
  await manager.createTasks(to.map((to) => ({ task: mail, params: { to } })))
  expect(await drainTasks(manager)).toHaveLength(3)
  expect(await drainTasks(manager)).toEqual([])
  await advanceTime(manager, 3_700_000)
  expect(await drainTasks(manager)).toHaveLength(2)
})
