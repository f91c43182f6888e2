import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../../src/engine/definition/task-reference.ts'
import { createGate, type Engine, nextEvent } from '../../../support/engine.ts'
import { useProxiedEngines } from '../../../support/proxied-engines.ts'

const SOON = { retryBaseMs: 0, pollIntervalMs: 20 }
const proxied = useProxiedEngines()

function start(tasks: readonly AnyTask[]): Engine {
  const engine = proxied.create(tasks, SOON)
  engine.executor.start()
  return engine
}

test('a step waits for the end of an outage, and a lost response does no harm', async () => {
  const { task } = createTaskRegistry()
  const ran: string[] = []
  const written = createGate()
  let slept: Promise<void> | undefined
  const away = createGate()
  const load = task('load', { maxRetries: 0 })(async (_params, ctx) => {
    const lost = ctx.attempt === 1 ? proxied.proxy.dropAnswerTo('finish_step') : undefined
    await ctx.step('lost', () => void ran.push('lost'))
    await lost
    written.open()
    await away.opened
    await ctx.step('outage', () => void ran.push('outage'))
    if (ctx.attempt === 1) slept = proxied.proxy.dropAnswerTo('tasks_sleep')
    await ctx.sleep('nap', 50)
  })
  const { manager, events } = start([load])
  const delayed = nextEvent(events, 'writeDelayed', ({ what }) => what === 'a step')
  const { taskId } = await manager.createTask(load)
  await delayed
  await written.opened
  const again = nextEvent(events, 'writeDelayed', ({ what }) => what === 'a step')
  proxied.proxy.set('reset')
  away.open()
  await again
  proxied.proxy.set('none')
  const ended = await manager.waitFor(taskId)
  await slept
  expect(ended).toMatchObject({ status: 'completed', retryCount: 0, stepCount: 3 })
  expect(ended.attempts.map(({ outcome }) => outcome)).toEqual(['sleeping', 'completed'])
  expect(ran).toEqual(['lost', 'outage'])
})

test('a handler without steps sends no further statement, and a resumed one reads its steps once', async () => {
  const { task } = createTaskRegistry()
  const plain = task('plain')((_params, ctx) => {
    if (ctx.attempt < 3) throw new Error('on purpose')
  })
  const stepped = task('stepped')(async (_params, ctx) => {
    for (const name of ['one', 'two', 'three']) await ctx.step(name, () => name)
    if (ctx.attempt < 3) throw new Error('on purpose')
  })
  const sent: string[] = []
  const { pool } = proxied
  const query = pool.query.bind(pool) as (...args: unknown[]) => unknown
  pool.query = ((...args: [{ name?: string; text?: string } | string, ...unknown[]]) => {
    const [statement] = args
    const text = typeof statement === 'string' ? statement : statement.text
    if (text?.includes('async_task_steps')) sent.push(/tasks_\w+/.exec(text)?.[0] ?? text)
    return query(...args)
  }) as typeof pool.query
  const { manager, events } = start([plain, stepped])
  for (const [one, statements] of [
    [plain, []],
    [
      stepped,
      [
        'tasks_finish_step_small',
        'tasks_finish_step_small',
        'tasks_finish_step_small',
        'tasks_find_steps',
        'tasks_find_steps',
      ],
    ],
  ] as const) {
    const completed = nextEvent(events, 'ended', ({ outcome }) => outcome === 'completed')
    await manager.createTask(one)
    await completed
    expect(sent.splice(0)).toEqual(statements)
  }
})

test('a table that a step returns keeps its fields: only the result of a statement loses those of the driver', async () => {
  const { task } = createTaskRegistry()
  const table = { fields: ['symbol'], rows: [['600519']], rowCount: 1, delimiter: ';' }
  const load = task('load')((_params, ctx) => ctx.step('parse', () => table))
  const { manager } = start([load])
  expect(await manager.waitFor((await manager.createTask(load)).taskId)).toMatchObject({ result: table })
})
