import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { withTransaction } from '../../../../src/db/client.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { aborted, nextEvent } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()

test('sleeps side by side take place one after the other, in the order of their calls', async () => {
  const { task } = createTaskRegistry()
  const NAMES = ['a', 'b', 'c', 'd']
  const nap = task('nap')(async (_params, ctx) => {
    // The shorter, the later.
    await Promise.all(NAMES.map((name, i) => ctx.sleep(name, { days: NAMES.length - i })))
    return 'awake'
  })
  const { manager } = engines.start([nap], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(nap)
  for (const [i] of NAMES.entries()) {
    const slept = async () => (await manager.getTask(taskId))?.steps.map(({ name }) => name)
    await expect.poll(slept).toEqual(NAMES.slice(0, i + 1))
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending' })
    await manager.runNow(taskId)
  }
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'awake' })
})

test('a sleeper outlives the executor on which it fell asleep, and a rescue of the run that woke up', async () => {
  const { task } = createTaskRegistry()
  const passed: number[] = []
  const nap = task('nap')(async (_params, ctx) => {
    const first = await ctx.step('before', () => ctx.attempt)
    await ctx.sleep('nap', { days: 1 })
    passed.push(ctx.attempt)
    if (ctx.attempt === 2) await aborted(ctx.signal)
    return first
  })
  const settings = { pollIntervalMs: 20, heartbeatIntervalMs: 100, leaseMs: 4_000 }
  const [first, second] = [engines.create([nap], settings), engines.create([nap], settings)]
  const { manager } = second
  first.executor.start()
  const { taskId } = await manager.createTask(nap)
  await expect
    .poll(() => manager.getTask(taskId))
    .toMatchObject({ status: 'pending', executorId: null, stepCount: 2 })
  await first.executor.stop()
  const asleep = await manager.getTask(taskId)
  second.executor.start()
  const rescued = nextEvent(second.events, 'rescued')
  await manager.runNow(taskId)
  await expect.poll(() => passed).toEqual([2])
  // As if its process had died.
  await engines.database.pool.query(
    `with dead as (
       insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
       values ($2, 'gone', 1, 'test', 1, '{nap}', 600, now() - interval '1 hour'))
     update async_tasks set executor_id = $2 where task_id = $1`,
    [taskId, randomUUID()],
  )
  await rescued
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 1, retryCount: 1 })
  const ended = await manager.getTask(taskId)
  expect(passed).toEqual([2, 3])
  expect(ended?.attempts.map(({ outcome }) => outcome)).toEqual(['sleeping', 'lost', 'completed'])
  expect(ended?.steps[0]).toEqual(asleep?.steps[0])
})

test('a sleep to an instant that is over ends at once, not before it began', async () => {
  const { task } = createTaskRegistry()
  const nap = task('nap')((_params, ctx) => ctx.sleep('nap', new Date(0)))
  const { manager, events } = engines.start([nap], { pollIntervalMs: 20 })
  const waits: number[] = []
  events.on('started', ({ waitedMs }) => void waits.push(waitedMs))
  const ended = await manager.waitFor((await manager.createTask(nap)).taskId)
  expect(ended).toMatchObject({ status: 'completed', stepCount: 1 })
  const [step] = ended.steps
  expect(step?.endedAt).toEqual(step?.startedAt)
  expect(ended.runAt).toEqual(step?.endedAt)
  expect(waits).toHaveLength(2)
  for (const waitedMs of waits) expect(waitedMs).toBeLessThan(3_600_000)
})

test('a sleep that a due time in the past ends is over now, not before it began', async () => {
  const { task } = createTaskRegistry()
  const nap = task('nap')((_params, ctx) => ctx.sleep('nap', { days: 1 }))
  const { manager } = engines.start([nap], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(nap)
  await expect.poll(() => manager.getTask(taskId)).toMatchObject({ status: 'pending', stepCount: 1 })
  await manager.updateTask(taskId, { runAt: new Date(0) })
  const { steps } = await manager.waitFor(taskId)
  expect(Number(steps[0]?.endedAt)).toBeGreaterThanOrEqual(Number(steps[0]?.startedAt))
})

test('a sleep that is over does not check until when it should last', async () => {
  const { task } = createTaskRegistry()
  const wakesAt = Date.now() + 86_400_000
  const nap = task('nap', { maxRetries: 0 })(async (_params, ctx) => {
    const isOver = ctx.attempt > 1
    await ctx.sleep('nap', isOver ? -1 : wakesAt - Date.now())
    const refused = ctx.sleep('another nap', -1)
    return refused.catch(({ code }: { code: string }) => code)
  })
  const { manager } = engines.start([nap], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(nap)
  await expect.poll(() => manager.getTask(taskId)).toMatchObject({ status: 'pending', stepCount: 1 })
  await manager.runNow(taskId)
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'INVALID_ARGUMENT' })
})

test('a handler that goes on after its sleep has begun completes nothing, nor does one in a thread', async () => {
  const { task } = createTaskRegistry()
  const { pool, directUrl } = engines.database
  const here = task('here')(async (_params, ctx) => {
    await ctx.sleep('nap', { days: 1 }).catch(() => {})
    await withTransaction(pool, (tx) => ctx.complete(tx, 'early'))
  })
  const module = new URL('../thread/modules/sleepless.ts', import.meta.url)
  const inThread = task('in_thread', { run: 'thread', module })()
  const { manager } = engines.start([here, inThread], { pollIntervalMs: 20 })
  const made = await manager.createTasks([{ task: here }, { task: inThread, params: { url: directUrl } }])
  for (const { taskId } of made) {
    const outcome = async () => (await manager.getTask(taskId))?.attempts[0]?.outcome
    await expect.poll(outcome).toMatch(/sleeping|completed/)
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending', stepCount: 1, result: null })
  }
})
