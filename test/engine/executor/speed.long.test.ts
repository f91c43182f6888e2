import { expect, onTestFinished, test } from 'vitest'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { aborted, createEngine, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'

const engines = useEngines()
const { task } = createTaskRegistry()

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

test('1,000 no-op tasks at concurrency 2 take less than 10 s', async () => {
  const noop = task('noop')(() => {})
  const { manager, events, executor } = engines.create([noop])
  const done = createGate()
  let ended = 0
  events.on('ended', () => {
    ended += 1
    if (ended === 1_000) done.open()
  })
  await manager.createTasks(Array.from({ length: 1_000 }, () => ({ task: noop })))
  const ms = await timed(() => {
    executor.start()
    return done.opened
  })
  console.log(`1,000 no-op tasks at concurrency 2: ${ms.toFixed(0)} ms`)
  expect(ms).toBeLessThan(10_000)
})

test('a call of progress() takes less than a microsecond', async () => {
  const BLOCK = 10_000
  const costs: number[] = []
  const busy = task('busy')(async (_params, ctx) => {
    for (let calls = 0; calls < 1_000_000; ) {
      const from = performance.now()
      for (let i = 0; i < BLOCK; i += 1) ctx.progress(++calls, 1_000_000)
      costs.push(((performance.now() - from) * 1_000) / BLOCK)
      await new Promise(setImmediate)
    }
  })
  const { manager } = engines.start([busy])
  await manager.waitFor((await manager.createTask(busy)).taskId)
  const median = costs.toSorted((a, b) => a - b)[Math.floor(costs.length / 2)] ?? Number.NaN
  console.log(`progress(): ${median.toFixed(3)} µs a call`)
  expect(median).toBeLessThan(1)
})

test('a thread in an endless loop is cancelled, and its slot free, within a second', async () => {
  const endless = task('endless', {
    run: 'thread',
    module: new URL('./thread/modules/endless.ts', import.meta.url),
  })()
  const noop = task('noop_after')(() => {})
  const { manager, events } = engines.start([endless, noop], { concurrency: 1 })
  const started = nextEvent(events, 'started')
  const { taskId } = await manager.createTask(endless)
  await started
  const ms = await timed(async () => {
    await manager.cancelTask(taskId)
    await manager.waitFor((await manager.createTask(noop)).taskId)
  })
  console.log(`an endless thread was cancelled and its slot free after ${ms.toFixed(0)} ms`)
  expect(ms).toBeLessThan(1_000)
})

test('a stop takes as long as its handlers, at most the time that it has', async () => {
  const leave = createGate()
  const running = createGate()
  const polite = task('polite')((_params, { signal }) => aborted(signal))
  const deaf = task('deaf')(() => {
    running.open()
    return leave.opened
  })
  const { manager, executor } = engines.start([polite, deaf], { shutdownTimeoutMs: 1_000 })
  await manager.createTasks([{ task: polite }, { task: deaf }])
  await running.opened
  expect(await timed(() => executor.stop())).toBeLessThan(1_100)
  leave.open()
})

test.for(['reset', 'silence'] as const)(
  'a stop with the database gone (%s) takes the time that it has',
  async (fault) => {
    const proxy = await startFaultProxy(engines.database.url)
    onTestFinished(() => proxy.close())
    const pool = createPool({ connectionString: proxy.url })
    onTestFinished(() => endPool(pool, 1_000))
    const started = createGate()
    const finish = createGate()
    const work = task(`work_${fault}`)(() => {
      started.open()
      return finish.opened
    })
    const cut = { ...engines.database, url: proxy.url, pool }
    const { manager, executor } = createEngine(cut, [work], { shutdownTimeoutMs: 1_000 })
    executor.start()
    await manager.createTask(work)
    await started.opened
    proxy.set(fault)
    finish.open()
    const stopped = timed(() => expect(executor.stop()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' }))
    expect(await stopped).toBeLessThan(1_500)
  },
)
