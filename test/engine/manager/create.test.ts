import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { withTransaction } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { taskSettings } from '../../../src/engine/definition/settings.ts'
import { TaskManager } from '../../../src/engine/manager/manager.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { nextEvent } from '../../support/engine.ts'
import { plain, sendReport, useCreatedTasks } from './created-tasks.ts'

const { tables, createManager } = useCreatedTasks()

describe('createTask', () => {
  test('by handler stores the row, the parsed params and nothing else, and returns what is stored', async () => {
    const manager = createManager()
    const created = await manager.createTask(sendReport, { userId: 7 }, { createdBy: 'u1' })
    expect(created).toEqual({
      taskId: expect.stringMatching(/^task_[0-9a-f]{32}$/),
      taskType: 'send_report',
      status: 'pending',
      progress: 0,
      total: 0,
      percent: 0,
      step: null,
      params: { userId: 7, dryRun: false },
      result: null,
      error: null,
      retryCount: 0,
      maxRetries: 5,
      timeoutSeconds: 600,
      priority: 7,
      createdBy: 'u1',
      uniqueKey: null,
      concurrencyKey: null,
      stopping: false,
      createdAt: expect.any(Date),
      runAt: created.createdAt,
      startedAt: null,
      completedAt: null,
      cancelledAt: null,
      executorId: null,
      expiresAt: null,
      attempts: [],
      steps: [],
      stepCount: 0,
      created: true,
    })
    const { taskId } = created
    const { tasks, ...others } = await tables.read()
    expect(tasks).toEqual([
      expect.objectContaining({
        task_id: taskId,
        task_type: 'send_report',
        status: 'pending',
        priority: 7,
        attempt: 0,
        executor_id: null,
        stopping: false,
        retry_count: 0,
        max_retries: 5,
        timeout_seconds: 600,
        created_by: 'u1',
        started_at: null,
        result: null,
      }),
    ])
    expect(tasks[0]?.run_at).toBe(tasks[0]?.created_at)
    expect(others).toEqual({
      params: [
        { id: expect.any(Number), task_id: taskId, key: 'dryRun', value: 'false' },
        { id: expect.any(Number), task_id: taskId, key: 'userId', value: '7' },
      ],
      logs: [],
      attempts: [],
    })
    const { created: _created, ...detail } = created
    expect(await manager.getTask(taskId)).toEqual(detail)
  })

  test("by a registered name checks the params and takes the type's defaults", async () => {
    const manager = createManager()
    const created = await manager.createTask('send_report', { userId: 7 })
    expect(created).toMatchObject({
      params: { userId: 7, dryRun: false },
      maxRetries: 5,
      timeoutSeconds: 600,
    })
    await expect(manager.createTask('send_report', { userId: 'x' })).rejects.toMatchObject({
      code: 'INVALID_PARAMS',
      problems: [{ pointer: '/userId' }],
    })
    expect((await tables.read()).tasks).toHaveLength(1)
  })

  test("by a name that is not registered takes any params and the plugin's defaults", async () => {
    const created = await createManager().createTask('elsewhere', { any: ['thing'] })
    expect(created).toMatchObject({
      taskType: 'elsewhere',
      params: { any: ['thing'] },
      maxRetries: 2,
      timeoutSeconds: 14_400,
      priority: 0,
    })
  })

  test('by a handler of another registry uses its definition', async () => {
    const other = createTaskRegistry().task('foreign', { maxRetries: 9 })(() => 1)
    expect(await createManager().createTask(other)).toMatchObject({ taskType: 'foreign', maxRetries: 9 })
  })

  test('of a function with several types wants a name, unless one alone is registered here', async () => {
    const { task } = createTaskRegistry()
    const both = () => 1
    const one = task('one')(both)
    task('two')(both)
    await expect(tables.createManager([one]).manager.createTask(one)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('several types'),
    })
  })

  test("with options: the call's win", async () => {
    const runAt = new Date('2099-12-31T23:59:59.999Z')
    const options = { priority: -100, runAt, maxRetries: 0, timeoutSeconds: 1, createdBy: null }
    const created = await createManager().createTask(sendReport, { userId: 7 }, options)
    expect(created).toMatchObject({
      priority: -100,
      runAt,
      maxRetries: 0,
      timeoutSeconds: 1,
      createdBy: null,
    })
  })

  test('with delayMs is due that long after its creation, by the clock of the database', async () => {
    const manager = createManager()
    for (const delayMs of [0, 1, 250, 86_400_000, 10 * 366 * 86_400_000]) {
      const { createdAt, runAt } = await manager.createTask(plain, {}, { delayMs })
      expect(+runAt - +createdAt).toBe(delayMs)
    }
    const [keyed] = await manager.createTasks([{ task: plain, uniqueKey: 'k', delayMs: 250 }])
    expect(keyed && +keyed.runAt - +keyed.createdAt).toBe(250)
  })

  test("with a concurrency key stores it: the call's, else the type's", async () => {
    const { task } = createTaskRegistry()
    const keyed = task('keyed', { concurrencyKey: ({ market }) => String(market) })(() => 'done')
    const { manager } = tables.createManager([keyed, plain])
    const ofType = await manager.createTask(keyed, { market: 'sh' })
    const ofCall = await manager.createTask(keyed, { market: 'sh' }, { concurrencyKey: 'sz' })
    expect([ofType.concurrencyKey, ofCall.concurrencyKey]).toEqual(['sh', 'sz'])
    expect((await tables.row(ofCall.taskId))?.concurrency_key).toBe('sz')
    const refused = manager.createTask(plain, {}, { concurrencyKey: 'sz' })
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('computes keys from params as a handler gets them, with the dates that its schema makes', async () => {
    const { task } = createTaskRegistry()
    const dated = task('dated', {
      params: z.object({ at: z.coerce.date() }),
      concurrencyKey: ({ at }) => `day ${at.getUTCDate()}`,
      rateLimit: { max: 1, perSeconds: 60, key: ({ at }) => `hour ${at.getUTCHours()}` },
    })(() => {})
    const { manager } = tables.createManager([dated])
    const { taskId } = await manager.createTask(dated, { at: '2026-01-02T03:00:00Z' })
    const keys = async () => {
      const row = await tables.row(taskId)
      return [row?.concurrency_key, row?.rate_key]
    }
    expect(await keys()).toEqual(['day 2', 'hour 3'])
    await manager.updateTask(taskId, { params: { at: '2026-01-04T05:00:00Z' } })
    expect(await keys()).toEqual(['day 4', 'hour 5'])
  })

  test('takes every time that a row can hold', async () => {
    const manager = createManager()
    for (const text of ['1970-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z']) {
      const created = await manager.createTask(plain, {}, { runAt: new Date(text) })
      expect((await manager.getTask(created.taskId))?.runAt.toISOString()).toBe(text)
    }
  })

  test.each<[string, unknown]>([
    ['/priority', { priority: 101 }],
    ['/priority', { priority: 0.5 }],
    ['/maxRetries', { maxRetries: -1 }],
    ['/maxRetries', { maxRetries: 101 }],
    ['/timeoutSeconds', { timeoutSeconds: 0 }],
    ['/timeoutSeconds', { timeoutSeconds: 2_147_484 }],
    ['/runAt', { runAt: '2024-01-01' }],
    ['/runAt', { runAt: new Date(Number.NaN) }],
    ['/runAt', { runAt: new Date(8.64e15) }],
    ['/runAt', { runAt: new Date(-8.64e15) }],
    ['/runAt', { runAt: new Date(-1) }],
    ['/createdBy', { createdBy: 7 }],
    ['/createdBy', { createdBy: 'a\u0000' }],
    ['/createdBy', { createdBy: '\ud800' }],
    ['/createdBy', { createdBy: 'x'.repeat(201) }],
    ['/delayMs', { delayMs: -1 }],
    ['/delayMs', { delayMs: 0.5 }],
    ['/delayMs', { delayMs: 316_224_000_001 }],
    ['/delayMs', { delayMs: 0, runAt: new Date() }],
    ['/onDuplicate', { uniqueKey: 'k', onDuplicate: 'ignore' }],
    ['/concurrencyKey', { concurrencyKey: '' }],
    ['/concurrencyKey', { concurrencyKey: 'x'.repeat(201) }],
    ['/tx', { tx: null }],
    ['/tx', { tx: {} }],
    ['', { uniqueKeys: 'typo' }],
  ])('refuses an option at %j: %j', async (pointer, options) => {
    await expect(createManager().createTask(plain, {}, options as object)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer }],
    })
    expect((await tables.read()).tasks).toEqual([])
  })

  test('refuses what names no type', async () => {
    const manager = createManager()
    const names = ['', 'a b', 'a\u0000', '\ud800', 'x'.repeat(101), undefined, null, 7, {}, () => 1]
    for (const name of names) {
      await expect(manager.createTask<string>(name as never)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      })
    }
    expect((await tables.read()).tasks).toEqual([])
  })

  test.each(['NULL', '{a,"b"}', 'back\\slash', `it's, "it"`, ' '])(
    'stores %j as text, with a commit of its own and in a transaction',
    async (text) => {
      const manager = createManager()
      const options = { createdBy: text }
      const own = await manager.createTask(plain, { [text]: text }, { ...options, uniqueKey: text })
      const other = await withTransaction(tables.pool, (tx) =>
        manager.createTask(plain, { [text]: text }, { ...options, uniqueKey: `${text}2`, tx }),
      )
      const stored = { createdBy: text, params: { [text]: text } }
      expect(await manager.getTask(own.taskId)).toMatchObject({ ...stored, uniqueKey: text })
      expect(await manager.getTask(other.taskId)).toMatchObject({ ...stored, uniqueKey: `${text}2` })
      expect(await manager.createTask(plain, {}, { uniqueKey: text })).toEqual({ ...own, created: false })
    },
  )

  test('works without prepared statements', async () => {
    const manager = new TaskManager({
      db: createDatabase(tables.pool, { prepared: false, schema: tables.database.schema }),
      events: new TaskEvents(),
      definitions: new Map(),
      settings: taskSettings.parse({}),
    })
    const { taskId } = await manager.createTask('elsewhere', { a: [1] })
    expect(await manager.getTask(taskId)).toMatchObject({ params: { a: [1] } })
  })

  test('announces the task, and whether it is due', async () => {
    const { manager, events } = tables.createManager([plain])
    const first = nextEvent(events, 'created')
    const now = await manager.createTask(plain)
    expect(await first).toMatchObject({ taskIds: [now.taskId], dueNow: true, overdue: false })
    const second = nextEvent(events, 'created')
    const later = await manager.createTask(plain, {}, { runAt: new Date('2099-01-01') })
    expect(await second).toMatchObject({ taskIds: [later.taskId], dueNow: false, overdue: false })
    const third = nextEvent(events, 'created')
    const late = await manager.createTask(plain, {}, { runAt: new Date(Date.now() - 60_000) })
    expect(await third).toMatchObject({ taskIds: [late.taskId], dueNow: true, overdue: true })
  })
})
