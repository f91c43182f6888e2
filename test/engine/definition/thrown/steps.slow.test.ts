import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { ParamsSchema } from '../../../../src/engine/definition/params-schema.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import type { TaskOptions } from '../../../../src/engine/definition/task.ts'
import type { AnyTask } from '../../../../src/engine/definition/task-reference.ts'
import type { TaskEventMap } from '../../../../src/engine/runtime/events.ts'
import { logTaskEvents } from '../../../../src/telemetry/log.ts'
import { nextEvent } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()

/** Its own cause, without a message, and with a name that throws. */
function odd(): Error {
  const error = Object.assign(new Error('odd'), { message: undefined })
  Object.defineProperty(error, 'cause', { get: () => error })
  Object.defineProperty(error, 'name', {
    get() {
      throw Object.create(null)
    },
  })
  return error
}
const throwOdd = (): never => {
  throw odd()
}

const { task } = createTaskRegistry()
const fast = { maxRetries: 1 }
const fails = () => () => {
  throw new Error('broken')
}
let parses = 0
const parsedOnce: ParamsSchema = z.record(z.string(), z.unknown()).transform(() => {
  // The first two are those of the create.
  parses += 1
  if (parses > 2) throwOdd()
  return {}
})
class Thenable {
  // biome-ignore lint/suspicious/noThenProperty: what is tested
  get then(): never {
    throw odd()
  }
}

/** Each throws at one step of an attempt. */
const steps: Record<string, AnyTask> = {
  'the parsing of its params': task('params', { ...fast, params: parsedOnce })(() => {}),
  'the handler, at once': task('at_once', fast)(throwOdd),
  'the handler, later': task('later', fast)(async () => throwOdd()),
  'the handler, by what it returns': task('thenable', fast)(() => new Thenable()),
  'its progress': task('progress', fast)((_params, ctx) => ctx.progress(odd() as never)),
  'its log, and then itself': task(
    'log',
    fast,
  )((_params, ctx) => {
    ctx.log.error(odd() as never, odd() as never)
    ctx.progress(1, 2, odd() as never)
    throwOdd()
  }),
  'its retry policy': task('policy', { ...fast, retry: throwOdd })(fails()),
  'its retry policy, later': task('async_policy', {
    ...fast,
    retry: (async () => throwOdd()) as never,
  })(fails()),
  'what its retry policy returns': task('policy_result', {
    ...fast,
    retry: () => ({ valueOf: throwOdd, toString: throwOdd }) as never,
  })(fails()),
  'the abort of its own making': task('abort', fast)(() => AbortSignal.abort(odd()).throwIfAborted()),
}

describe('an attempt has failed, with a retry spent, where something throws in', () => {
  test.each(Object.entries(steps))('%s', async (_step, handler) => {
    parses = 0
    const { manager } = engines.start([handler], { retryBaseMs: 0 })
    const { taskId } = await manager.createTask(handler)
    const { status, retryCount, error, attempts } = await manager.waitFor(taskId, { timeoutMs: 60_000 })
    expect({ status, retryCount }).toEqual({ status: 'failed', retryCount: 1 })
    expect(error).toMatch(/\S/)
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed'])
  })

  test('the serialization of its result, without a retry: another attempt would return the same', async () => {
    const bad = task('result', fast)(() => ({ toJSON: throwOdd }))
    const { manager } = engines.start([bad])
    const { taskId } = await manager.createTask(bad)
    expect(await manager.waitFor(taskId)).toMatchObject({
      status: 'failed',
      retryCount: 0,
      error: expect.stringMatching(/^INVALID_RESULT/),
    })
  })

  test.each(['async_task_attempts', 'async_tasks'])('the statement that ends it, in %s', async (table) => {
    const handler = task(
      `refused_${table}`,
      fast,
    )(() => {
      if (table === 'async_task_attempts') throw new Error('a word too much')
      return 'a word too much'
    })
    const condition = table === 'async_tasks' ? `new.result like '%too much%'` : `new.error like '%too much%'`
    await engines.database.pool.query(`
      create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'no' using errcode = '23514'; end $$;
      create trigger refuse before insert or update on ${table} for each row
        when (${condition}) execute function refuse()`)
    const { manager } = engines.start([handler], { retryBaseMs: 0 })
    const { taskId } = await manager.createTask(handler)
    const ended = await manager.waitFor(taskId, { timeoutMs: 60_000 })
    expect(ended).toMatchObject({
      status: 'failed',
      retryCount: 1,
      error: 'its end could not be written down',
    })
  })
})

describe('a listener that throws', () => {
  /** All that happens to a task which fails, and to one that completes. */
  const names: (keyof TaskEventMap)[] = [
    'created',
    'started',
    'logged',
    'threw',
    'ended',
    'late',
    'listenerFailed',
  ]
  const quick = (type: string, options: TaskOptions = {}) =>
    task(type, { maxRetries: 0, ...options })((params: Record<string, unknown>, ctx) => {
      ctx.log.info('running')
      if (params.fail) throw new Error('broken')
    })

  test.each([
    ['at once', throwOdd],
    ['later', async () => throwOdd()],
  ])('%s changes nothing, and is reported once', async (how, listener) => {
    const handler = quick(`quick_${how.replace(' ', '_')}`)
    const { manager, events, executor } = engines.create([handler], { retryBaseMs: 0 })
    const reported: string[] = []
    events.on('listenerFailed', ({ event }) => reported.push(event))
    for (const name of names) events.on(name, listener as never)
    const ends: unknown[] = []
    events.on('ended', ({ outcome }) => ends.push(outcome))
    executor.start()
    const [first, second, third] = await manager.createTasks([
      { task: handler },
      { task: handler, params: { fail: true } },
      { task: handler },
    ] as const)
    expect(await manager.waitFor(first.taskId)).toMatchObject({ status: 'completed' })
    expect(await manager.waitFor(second.taskId)).toMatchObject({ status: 'failed', error: 'broken' })
    expect(await manager.waitFor(third.taskId)).toMatchObject({ status: 'completed' })
    await expect.poll(() => ends.toSorted()).toEqual(['completed', 'completed', 'failed'])
    expect(reported.toSorted()).toEqual(['created', 'ended', 'logged', 'started', 'threw'])
  })

  test.each(['debug', 'info', 'warn', 'error'] as const)("a host's logger whose %s throws", async (level) => {
    const handler = quick(`logged_${level}`, { maxRetries: 1, retry: () => Number.NaN })
    const { manager, events, executor } = engines.create([handler], { retryBaseMs: 0 })
    const lines: string[] = []
    const write = (_fields: unknown, text?: string) => void lines.push(text ?? '')
    logTaskEvents(events, { debug: write, info: write, warn: write, error: write, [level]: throwOdd })
    executor.start()
    const ended = nextEvent(events, 'ended', ({ outcome, retryInMs }) => outcome === 'failed' && !retryInMs)
    const [good, bad] = await manager.createTasks([
      { task: handler },
      { task: handler, params: { fail: true } },
    ] as const)
    expect(await manager.waitFor(good.taskId)).toMatchObject({ status: 'completed', retryCount: 0 })
    expect(await manager.waitFor(bad.taskId)).toMatchObject({ status: 'failed', retryCount: 1 })
    await ended
    const isReported = lines.includes('a listener of an event of the engine failed')
    expect(isReported).toBe(level !== 'error')
  })
})
