import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError, RetryAfter } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskOptions } from '../../../src/engine/definition/task.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

describe('retry', () => {
  test('the waits are 1 s, 2 s, 4 s by the database, the attempts start soon after, then the task fails', async () => {
    const { task } = createTaskRegistry()
    const broken = task('broken')((_params, ctx) => {
      throw new Error(`no luck in attempt ${ctx.attempt}`)
    })
    const { manager } = engines.start([broken])
    const { taskId } = await manager.createTask(broken)
    const ended = await manager.waitFor(taskId)

    expect(ended).toMatchObject({ status: 'failed', retryCount: 3, error: 'no luck in attempt 4' })
    expect(ended.attempts.map(({ attempt, outcome, error }) => ({ attempt, outcome, error }))).toEqual(
      [1, 2, 3, 4].map((attempt) => ({ attempt, outcome: 'failed', error: `no luck in attempt ${attempt}` })),
    )
    const waits = ended.attempts
      .slice(1)
      .map((next, i) => next.startedAt.getTime() - (ended.attempts[i]?.endedAt?.getTime() ?? Number.NaN))
    console.log(`waits before the retries: ${waits.join(', ')} ms`)
    for (const [i, wanted] of [1_000, 2_000, 4_000].entries()) {
      expect(waits[i]).toBeGreaterThanOrEqual(wanted)
      expect(waits[i]).toBeLessThan(wanted + 1_000)
    }
    const { logs } = await manager.listLogs(taskId, { level: 'ERROR' })
    expect(logs.map((line) => line.message)).toEqual([1, 2, 3, 4].map((n) => `no luck in attempt ${n}`))
  })

  test('an attempt that succeeds clears the error and keeps the history', async () => {
    const { task } = createTaskRegistry()
    const second = task('second', { retryBaseMs: 0 })((_params, ctx) => {
      ctx.progress(ctx.attempt === 1 ? 9 : 2, 10)
      if (ctx.attempt === 1) throw new TypeError('not yet')
      return { attempt: ctx.attempt }
    })
    const { manager } = engines.start([second])
    const { taskId } = await manager.createTask(second)
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({
      status: 'completed',
      error: null,
      retryCount: 1,
      result: { attempt: 2 },
      progress: 10,
      total: 10,
      percent: 100,
    })
    expect(ended.attempts).toMatchObject([
      { attempt: 1, outcome: 'failed', error: 'TypeError: not yet' },
      { attempt: 2, outcome: 'completed', error: null },
    ])
  })

  test('PermanentError fails at once; RetryAfter sets its own delay', async () => {
    const { task } = createTaskRegistry()
    const hopeless = task('hopeless')(() => {
      throw new PermanentError('never')
    })
    const later = task('later', { maxRetries: 1 })(() => {
      throw new RetryAfter(3_600_000, 'quota')
    })
    const { manager, events } = engines.start([hopeless, later])
    const first = await manager.createTask(hopeless)
    expect(await manager.waitFor(first.taskId)).toMatchObject({
      status: 'failed',
      error: 'never',
      retryCount: 0,
    })

    const retried = nextEvent(events, 'ended', (event) => event.taskType === 'later')
    const second = await manager.createTask(later)
    expect(await retried).toMatchObject({ retryInMs: 3_600_000 })
    const waiting = await manager.getTask(second.taskId)
    const [attempt] = waiting?.attempts ?? []
    expect(waiting).toMatchObject({ status: 'pending', error: 'quota', retryCount: 1 })
    expect(Number(waiting?.runAt) - Number(attempt?.endedAt)).toBe(3_600_000)
  })

  test("the call's limit wins over the type's, the type's over the plugin's", async () => {
    const { task } = createTaskRegistry()
    const plain = task('plain')(() => {})
    const typed = task('typed', { maxRetries: 0, timeoutSeconds: 7 })(() => {})
    const { manager } = engines.create([plain, typed], { maxRetries: 2, timeoutSeconds: 9 })
    expect(await manager.createTask(plain)).toMatchObject({ maxRetries: 2, timeoutSeconds: 9 })
    expect(await manager.createTask(typed)).toMatchObject({ maxRetries: 0, timeoutSeconds: 7 })
    expect(await manager.createTask(typed, {}, { maxRetries: 5, timeoutSeconds: 3 })).toMatchObject({
      maxRetries: 5,
      timeoutSeconds: 3,
    })
  })

  test('a stored task whose params no longer parse fails without a retry', async () => {
    const { task } = createTaskRegistry()
    const strict = task('strict', { params: z.object({ size: z.number() }) })(() => 'ran')
    const { manager, executor } = engines.create([strict])
    const { taskId } = await manager.createTask(strict, { size: 1 })
    await engines.database.pool.query('update async_task_params set value = $1', ['"big"'])
    executor.start()
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'failed', retryCount: 0 })
    expect(ended.error).toMatch(/INVALID_PARAMS.*\/size/)
  })

  test('params and results may take as many bytes as the settings say', async () => {
    const { task } = createTaskRegistry()
    const repeat = task('repeat', { params: z.object({ text: z.string(), times: z.int() }), maxRetries: 0 })(
      ({ text, times }) => text.repeat(times),
    )
    const { manager } = engines.start([repeat], { maxParamsBytes: 100, maxResultBytes: 50 })
    const run = async (text: string, times: number) =>
      manager.waitFor((await manager.createTask(repeat, { text, times })).taskId)
    expect(await run('x'.repeat(48), 1)).toMatchObject({ status: 'completed' })
    expect(await run('汉', 17)).toMatchObject({
      status: 'failed',
      error: 'INVALID_RESULT: the result takes 53 bytes of JSON, at most 50',
    })
    await expect(manager.createTask(repeat, { text: 'x'.repeat(99), times: 1 })).rejects.toMatchObject({
      code: 'INVALID_PARAMS',
      problems: [{ pointer: '/text', detail: expect.stringContaining('100 bytes') }],
    })
  })

  test('a result that is not JSON, or too large, fails the task with that reason', async () => {
    const { task } = createTaskRegistry()
    const cyclic = task('cyclic')(() => {
      const self: { self?: unknown } = {}
      self.self = self
      return self
    })
    const huge = task('huge')(() => 'x'.repeat(2_000_000))
    const { manager } = engines.start([cyclic, huge])
    for (const handler of [cyclic, huge]) {
      const { taskId } = await manager.createTask(handler)
      const ended = await manager.waitFor(taskId)
      expect(ended.status).toBe('failed')
      expect(ended.error).toMatch(/^INVALID_RESULT/)
    }
  })

  test('whatever a handler throws is recorded as text that PostgreSQL can keep', async () => {
    const { task } = createTaskRegistry()
    const thrown: unknown[] = ['plain text', undefined, { a: 1 }, new Error('nul \u0000 and \ud800'), 1n]
    const odd = task('odd', { maxRetries: 0 })((params: { i?: unknown }) => {
      throw thrown[Number(params.i)]
    })
    const { manager } = engines.start([odd])
    const created = await manager.createTasks(thrown.map((_, i) => ({ task: odd, params: { i } })))
    const errors: (string | null)[] = []
    for (const { taskId } of created) errors.push((await manager.waitFor(taskId)).error)
    expect(errors).toEqual([
      'plain text',
      'thrown: undefined',
      'thrown: {"a":1}',
      'nul \uFFFD and \uFFFD',
      'thrown: a value of type bigint',
    ])
  })
})

describe("a type's retry policy", () => {
  const waitsOf = async (options: TaskOptions) => {
    const { task } = createTaskRegistry()
    const asked = createGate()
    const failing = task('failing', { ...options, maxRetries: 3 })(async () => {
      await asked.opened
      throw new Error('broken')
    })
    const { manager, events } = engines.start([failing], { retryBaseMs: 1 })
    const waits: (number | undefined)[] = []
    const problems: unknown[] = []
    events.on('ended', ({ retryInMs }) => waits.push(retryInMs))
    events.on('retryPolicyFailed', ({ error }) => problems.push(error))
    const { taskId } = await manager.createTask(failing, {}, { uniqueKey: 'failing' })
    // The key stays with the task through all its retries.
    expect(await manager.createTask(failing, {}, { uniqueKey: 'failing' })).toMatchObject({
      taskId,
      created: false,
    })
    asked.open()
    const ended = await manager.waitFor(taskId, { timeoutMs: 20_000 })
    expect(ended).toMatchObject({ status: 'failed', retryCount: 3, uniqueKey: 'failing' })
    return { waits, problems, ended, types: await manager.listTaskTypes() }
  }

  test('as data says how long to wait', async () => {
    const { waits, types } = await waitsOf({ retry: { baseMs: 5, factor: 3, maxMs: 20 } })
    expect(waits).toEqual([5, 15, 20, undefined])
    expect(types).toMatchObject([{ retry: { baseMs: 5, factor: 3, maxMs: 20, jitter: 0 }, retryBaseMs: 5 }])
  })

  test('as a function, too', async () => {
    const { waits, types } = await waitsOf({ retry: ({ retry }) => retry * 3 })
    expect(waits).toEqual([0, 3, 6, undefined])
    expect(types).toMatchObject([{ retry: null, retryBaseMs: 1 }])
  })

  test("that fails gives way to the executor's, and no attempt is lost", async () => {
    const { waits, problems } = await waitsOf({ retry: () => Number.NaN })
    expect(waits).toEqual([1, 2, 4, undefined])
    expect(problems).toHaveLength(3)
  })

  test('keeps where each attempt threw', async () => {
    const { ended } = await waitsOf({})
    expect(ended.attempts).toHaveLength(4)
    for (const { stack } of ended.attempts)
      expect(stack).toMatch(/^Error: broken\n +at .*retry\.slow\.test\.ts/)
  })
})
