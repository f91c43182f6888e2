import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError, RetryAfter } from '../../../src/tasks/errors.ts'
import { createTaskRegistry } from '../../../src/tasks/registry.ts'
import { nextEvent } from '../../support/engine.ts'
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

  test('a result that is not JSON, or too large, fails the task and says so', async () => {
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
