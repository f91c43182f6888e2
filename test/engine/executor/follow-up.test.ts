import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { logTaskEvents } from '../../../src/telemetry/log.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

interface FollowUpRow {
  readonly taskId: string
  readonly createdBy: string | null
  readonly priority: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
  readonly params: Record<string, unknown>
}

/** The tasks of a type as they are stored, the oldest first. */
async function stored(taskType = 'alert'): Promise<FollowUpRow[]> {
  const { rows } = await engines.database.pool.query<FollowUpRow>(
    `select task_id as "taskId", created_by as "createdBy", priority, max_retries as "maxRetries",
            timeout_seconds as "timeoutSeconds",
            (select json_object_agg(key, value::json) from async_task_params p where p.task_id = t.task_id) as params
       from async_tasks t where task_type = $1 order by id`,
    [taskType],
  )
  return rows
}

/** A registry whose `alert` does nothing. */
function withAlert() {
  const { task } = createTaskRegistry()
  return { task, alert: task('alert')(() => {}) }
}

describe('onFailed', () => {
  test('creates a task of the handler, with what is known of the failed one and the options of its own type', async () => {
    const { task } = createTaskRegistry()
    const seen: unknown[] = []
    const params = z.object({
      taskId: z.string(),
      taskType: z.string(),
      params: z.object({ order: z.int(), note: z.string().nullable() }),
      error: z.string(),
      attempts: z.int(),
    })
    const alert = task('alert', { params, priority: 7, maxRetries: 1, timeoutSeconds: 60 })((given) => {
      seen.push(given)
    })
    const ship = task('ship', {
      params: z.object({ order: z.int(), note: z.string().nullable() }),
      maxRetries: 1,
      retryBaseMs: 0,
      priority: -3,
      onFailed: alert,
    })((_params, { attempt }) => {
      throw new Error(`no ship "${attempt}"`)
    })
    const { manager, events } = engines.start([ship, alert])
    const alerted = nextEvent(events, 'ended', ({ taskType }) => taskType === 'alert')
    const { taskId } = await manager.createTask(
      ship,
      { order: 42, note: 'a "b" \\ é\n' },
      { createdBy: 'ada', timeoutSeconds: 5 },
    )
    const { taskId: followUpId } = await alerted
    const expected = {
      taskId,
      taskType: 'ship',
      params: { order: 42, note: 'a "b" \\ é\n' },
      error: 'no ship "2"',
      attempts: 2,
    }
    expect(seen).toEqual([expected])
    expect(await stored()).toEqual([
      {
        taskId: followUpId,
        createdBy: 'ada',
        priority: 7,
        maxRetries: 1,
        timeoutSeconds: 60,
        params: expected,
      },
    ])
    expect(followUpId).toMatch(/^task_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
    expect(await manager.getTask(followUpId)).toMatchObject({ status: 'completed', params: expected })
    // Ids are in the order of their time.
    const later = await manager.createTask(alert, expected)
    expect(taskId < followUpId && followUpId < later.taskId).toBe(true)
  })

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
    const fast = { heartbeatIntervalMs: 100, leaseMs: 600, unknownTypeGraceSeconds: 1 }
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
    await expect.poll(async () => (await stored()).length, { timeout: 20_000 }).toBe(2)
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

  test('of a follow-up creates the next one, which holds the params of both', async () => {
    const { task } = createTaskRegistry()
    const last = task('last')(() => {})
    const second = task('second', { onFailed: last, maxRetries: 0 })(() => {
      throw new Error('second')
    })
    const first = task('first', { onFailed: second, maxRetries: 0 })(() => {
      throw new Error('first')
    })
    const { manager, events } = engines.start([first, second, last])
    const ended = nextEvent(events, 'ended', ({ taskType }) => taskType === 'last')
    const created = await manager.createTask(first, { a: 1 })
    expect(await ended).toMatchObject({ outcome: 'completed' })
    const [middle] = await stored('second')
    expect((await stored('last'))[0]?.params).toEqual({
      taskId: middle?.taskId,
      taskType: 'second',
      params: { taskId: created.taskId, taskType: 'first', params: { a: 1 }, error: 'first', attempts: 1 },
      error: 'second',
      attempts: 1,
    })
  })

  test('starts at once, in this process and in another one', async () => {
    const { task, alert } = withAlert()
    const fails = task('fails', { onFailed: alert, maxRetries: 0 })(() => {
      throw new Error('no')
    })
    // Without a wake-up it would start in a minute.
    const slow = { pollIntervalMs: 60_000 }
    const here = engines.start([fails], slow, { hears: true })
    const there = engines.start([alert], slow, { hears: true })
    await expect.poll(() => there.executor.health().ok && here.executor.health().ok).toBe(true)
    const elsewhere = nextEvent(there.events, 'started')
    const created = nextEvent(here.events, 'created', ({ taskTypes }) => taskTypes.includes('alert'))
    await here.manager.createTask(fails)
    expect((await created).taskIds).toEqual([(await elsewhere).taskId])
    await there.executor.stop()

    const both = engines.start([fails, alert], slow)
    const inside = nextEvent(both.events, 'started', ({ taskType }) => taskType === 'alert')
    await both.manager.createTask(fails)
    expect(await inside).toMatchObject({ attempt: 1 })
  })

  test('is what the last executor of the type has registered: changed, or none', async () => {
    const { alert } = withAlert()
    const fail = () => {
      throw new Error('no')
    }
    const run = async (tasks: AnyTask[]) => {
      const { manager, executor } = engines.start(tasks)
      await manager.waitFor((await manager.createTask('fails')).taskId)
      await executor.stop()
    }
    const page = createTaskRegistry().task('page')(() => {})
    await run([createTaskRegistry().task('fails', { onFailed: alert, maxRetries: 0 })(fail)])
    await run([createTaskRegistry().task('fails', { onFailed: page, maxRetries: 0 })(fail)])
    await run([createTaskRegistry().task('fails', { maxRetries: 0 })(fail)])
    expect([await stored('alert'), await stored('page')]).toMatchObject([[{}], [{ maxRetries: 3 }]])
    const { rows } = await engines.database.pool.query('select task_type, on_failed from async_task_types')
    expect(rows).toEqual([{ task_type: 'fails', on_failed: null }])
  })

  test('takes params as they are: as large, and as deep, as they may be', async () => {
    const { task } = createTaskRegistry()
    const seen = createGate()
    const sizes: number[] = []
    const alert = task('alert', { params: z.object({ params: z.record(z.string(), z.unknown()) }) })(
      ({ params }) => {
        sizes.push(JSON.stringify(params).length)
        seen.open()
      },
    )
    const fails = task('fails', { onFailed: alert, maxRetries: 0 })(() => {
      throw new Error('x'.repeat(20_000))
    })
    const deep = JSON.parse(`${'['.repeat(99)}${']'.repeat(99)}`) as unknown
    const params = { deep, text: 'é'.repeat(500_000), '': 'empty' }
    const { manager, events } = engines.start([fails, alert])
    const ended = nextEvent(events, 'ended', ({ taskType }) => taskType === 'alert')
    await manager.createTask(fails, params)
    expect(await ended).toMatchObject({ outcome: 'completed' })
    expect(sizes).toEqual([JSON.stringify(params).length])
  })
})

describe('secrets of the failed task', () => {
  test('reach the follow-up, and are shown nowhere', async () => {
    const { task } = createTaskRegistry()
    const received: unknown[] = []
    const last = task('last')(() => {})
    const alert = task('alert', { maxRetries: 0, onFailed: last })((given, ctx) => {
      received.push(given)
      const { token, card } = (given as { params: { token: string; card: { number: string } } }).params
      ctx.log.warn(`cannot reach ${token}`, { given, card })
      throw new Error(`no alert for ${card.number}`)
    })
    const fails = task('fails', {
      params: z.object({ token: z.string(), card: z.object({ number: z.string() }), user: z.string() }),
      redact: ['token', 'card.number'],
      maxRetries: 0,
      onFailed: alert,
    })(({ token }) => {
      throw new Error(`refused ${token}`)
    })
    const { manager, events } = engines.start([fails, alert, last], { redact: ['user'] })
    const lines: unknown[] = []
    const write = (...line: unknown[]) => void lines.push(line)
    logTaskEvents(events, { debug: write, info: write, warn: write, error: write })
    const ended = nextEvent(events, 'ended', ({ taskType }) => taskType === 'last')
    const given = { token: 'hunter22', card: { number: '4111-1111' }, user: 'lovelace' }
    await manager.createTask(fails, given)
    await ended
    expect(received).toMatchObject([{ params: given, error: 'refused [redacted]' }])
    const [[alertRow], [lastRow]] = [await stored('alert'), await stored('last')]
    expect(alertRow?.params.params).toEqual(given)
    const shown = [
      await manager.getTask(alertRow?.taskId ?? ''),
      await manager.getTask(lastRow?.taskId ?? ''),
      await manager.listLogs(alertRow?.taskId ?? ''),
    ]
    const hidden = { token: '[redacted]', card: { number: '[redacted]' }, user: '[redacted]' }
    expect(shown).toMatchObject([
      { params: { params: hidden }, error: 'no alert for [redacted]' },
      { params: { params: { params: hidden }, error: 'no alert for [redacted]' } },
      { logs: [{ message: 'cannot reach [redacted]' }, {}] },
    ])
    expect(JSON.stringify([shown, lines])).not.toMatch(/hunter22|4111|lovelace/)
    // The marker would be stored in place of the value.
    await expect(
      manager.createTask(alert, shown[0] && 'params' in shown[0] ? shown[0].params : {}),
    ).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
  })
})
