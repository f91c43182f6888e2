import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { logTaskEvents } from '../../../src/telemetry/log.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useFollowUps, withAlert } from './follow-ups.ts'

const { engines, stored } = useFollowUps()

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
    // Neither may take what comes next: nobody would hear of the follow-up that it creates.
    await Promise.all([here.executor.stop(), there.executor.stop()])

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
