import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useFollowUps, withAlert } from './follow-ups.ts'

const { engines, stored } = useFollowUps()

describe('onFailed', () => {
  const fails: [string, (alert: AnyTask, ignoredUntil: Promise<void>) => AnyTask, string | RegExp][] = [
    [
      'an error that is permanent',
      (alert) =>
        createTaskRegistry().task('fails', { onFailed: alert, maxRetries: 3 })(() => {
          throw new PermanentError('never')
        }),
      'never',
    ],
    [
      'a timeout that its handler obeys',
      (alert) =>
        createTaskRegistry().task('fails', { onFailed: alert, maxRetries: 0, timeoutSeconds: 1 })(
          (_params, { signal }) => aborted(signal),
        ),
      'timed out after 1 s',
    ],
    [
      'a timeout that its handler ignores',
      (alert, ignoredUntil) =>
        createTaskRegistry().task('fails', { onFailed: alert, maxRetries: 3, timeoutSeconds: 1 })(
          async () => {
            await ignoredUntil
            throw new Error('too late')
          },
        ),
      /did not return/,
    ],
    [
      'a result that is no JSON',
      (alert) => createTaskRegistry().task('fails', { onFailed: alert, maxRetries: 3 })(() => 1n),
      /INVALID_RESULT/,
    ],
    [
      'a transaction of its own that was rolled back',
      (alert) =>
        createTaskRegistry().task('fails', { onFailed: alert, maxRetries: 0 })(async (_params, ctx) => {
          const client = await engines.database.pool.connect()
          await client.query('begin')
          await ctx.complete(client)
          await client.query('rollback')
          client.release()
        }),
      /COMPLETION_ROLLED_BACK/,
    ],
  ]
  test.each(fails)('follows %s', async (_how, define, error) => {
    const { alert } = withAlert()
    const ignored = createGate()
    const failing = define(alert, ignored.opened)
    const { manager, executor } = engines.start([failing, alert], { cancelGraceMs: 100, concurrency: 2 })
    const { taskId } = await manager.createTask('fails', { a: 1 })
    await manager.waitFor(taskId)
    ignored.open()
    await executor.stop()
    const text = typeof error === 'string' ? error : expect.stringMatching(error)
    expect(await stored()).toMatchObject([
      { params: { taskId, taskType: 'fails', params: { a: 1 }, error: text, attempts: 1 } },
    ])
  })

  test('follows params that no longer parse', async () => {
    const { task, alert } = withAlert()
    const fails = task('fails', { params: z.object({ a: z.int() }), onFailed: alert })(() => {})
    const { manager, executor } = engines.create([fails, alert])
    const { taskId } = await manager.createTask(fails, { a: 1 })
    await engines.database.pool.query(`update async_task_params set value = '"x"' where task_id = $1`, [
      taskId,
    ])
    executor.start()
    await manager.waitFor(taskId)
    expect(await stored()).toMatchObject([
      {
        params: { taskId, params: { a: 'x' }, error: expect.stringMatching(/^INVALID_PARAMS/), attempts: 1 },
      },
    ])
  })

  test('follows the death of an executor, when no retry is left, and a type that nobody knows any more', async () => {
    const { task, alert } = withAlert()
    const fast = { heartbeatIntervalMs: 100, leaseMs: 2_000, unknownTypeGraceSeconds: 1 }
    const fails = task('fails', { onFailed: alert })(() => {})
    const gone = engines.start([fails], fast)
    await gone.manager.waitFor((await gone.manager.createTask(fails)).taskId)
    await gone.executor.stop()
    await engines.database.pool.query(
      `insert into async_tasks (task_id, task_type, status, attempt, executor_id, started_at, max_retries, created_by)
       values ('task_last', 'fails', 'running', 2, gen_random_uuid(), now(), 0, 'ada'),
              ('task_again', 'fails', 'running', 1, gen_random_uuid(), now(), 1, null)`,
    )
    await engines.database.pool.query(
      `insert into async_task_params (task_id, key, value) values ('task_last', 'a', '[1]')`,
    )
    // Knows nothing of the type: what the type's own executor has registered holds for all.
    const judge = engines.start([alert], fast)
    const created = nextEvent(judge.events, 'created', ({ taskTypes }) => taskTypes.includes('alert'))
    await nextEvent(judge.events, 'rescued')
    await created
    const error = 'attempt 2 was lost: its executor died'
    const lost = { taskId: 'task_last', taskType: 'fails', params: { a: [1] }, error, attempts: 2 }
    expect(await stored()).toMatchObject([{ createdBy: 'ada', params: lost }])

    await engines.database.pool.query(
      `update async_task_executors set heartbeat_at = now() - interval '1 hour'
                                        where executor_id <> $1`,
      [judge.executor.id],
    )
    await engines.database.pool.query(`update async_tasks set run_at = now() - interval '1 hour'
                                        where task_id = 'task_again'`)
    await expect.poll(async () => (await stored()).length).toBe(2)
    expect((await stored())[1]?.params).toEqual({
      taskId: 'task_again',
      taskType: 'fails',
      params: {},
      error: expect.stringMatching(/^UNKNOWN_TASK_TYPE/),
      attempts: 1,
    })
  })

  test('follows each final failure once: no retry, no cancel, no completion', async () => {
    const { task, alert } = withAlert()
    const started = createGate()
    const waits = task('waits', { onFailed: alert })(async (_params, { signal }) => {
      started.open()
      await aborted(signal)
      throw new Error('cancelled')
    })
    const fragile = task('fragile', { onFailed: alert, maxRetries: 1, retryBaseMs: 0 })(
      (_params, { attempt }) => {
        if (attempt === 1) throw new Error('not yet')
      },
    )
    const fails = task('fails', { onFailed: alert, maxRetries: 0 })(() => {
      throw new Error('no')
    })
    const { manager, executor, events } = engines.start([waits, fragile, fails, alert], { concurrency: 4 })
    const running = await manager.createTask(waits)
    const pending = await manager.createTask(waits, {}, { delayMs: 3_600_000 })
    const retried = await manager.createTask(fragile)
    await started.opened
    const returned = nextEvent(events, 'late')
    await manager.cancelTask(running.taskId)
    await manager.cancelTask(pending.taskId)
    await manager.waitFor(retried.taskId)
    const failed = await manager.createTask(fails)
    await manager.waitFor(failed.taskId)
    // What an operator retries and what fails again has failed for good again.
    const again = nextEvent(
      events,
      'ended',
      ({ taskId, attempt }) => taskId === failed.taskId && attempt === 2,
    )
    await manager.retryTask(failed.taskId)
    await again
    await Promise.race([returned, executor.stop()])
    await executor.stop()
    expect((await stored()).map(({ params }) => [params.taskId, params.attempts])).toEqual([
      [failed.taskId, 1],
      [failed.taskId, 2],
    ])
  })
})
