import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { withTransaction } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { createClaims } from '../../support/claim-tasks.ts'
import { nextEvent } from '../../support/engine.ts'
import { inStatus, insertSteps, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const report = task('report', {
  params: z.strictObject({
    userId: z.int(),
    dryRun: z.boolean().default(false),
    note: z.string().optional(),
  }),
  redact: ['note'],
})(() => {})
const keyed = task('keyed', { concurrencyKey: ({ shop }) => `shop ${shop}` })(() => {})
const plain = task('plain')(() => {})

const create = () => tables.createManager([report, keyed, plain], { maxParamsBytes: 1_000 })
const LATER = new Date(Date.now() + 3_600_000)
const NO_IDS = ['', 'x', 'task_none', 'task_\u0000', `task_${'a'.repeat(100_000)}`]

const ACTIONS: [string, (manager: TaskManager, taskId: string) => Promise<unknown>][] = [
  ['updateTask', (manager, taskId) => manager.updateTask(taskId, { priority: 1 })],
  ['runNow', (manager, taskId) => manager.runNow(taskId)],
]

describe('updateTask', () => {
  test('changes what is given, and neither other fields nor other tasks', async () => {
    const { manager, events } = create()
    const bystander = await manager.createTask(report, { userId: 1 })
    const others = await tables.read(bystander.taskId)
    const options = { runAt: LATER, uniqueKey: 'k', createdBy: 'me', maxRetries: 7 }
    const created = await manager.createTask(report, { userId: 7, note: 'secret' }, options)
    const before = await tables.row(created.taskId)
    const announced = nextEvent(events, 'changed')

    const changed = await manager.updateTask(created.taskId, { priority: -3 })
    const { created: _created, ...shown } = created
    expect(changed).toEqual({ ...shown, priority: -3 })
    expect(await manager.getTask(created.taskId)).toEqual(changed)
    expect(await announced).toEqual({
      taskId: created.taskId,
      taskType: 'report',
      overdue: false,
      inMs: expect.any(Number),
    })
    expect(await tables.row(created.taskId)).toEqual({
      ...before,
      priority: -3,
      changed_at: expect.any(String),
    })
    const runAt = new Date(LATER.getTime() + 1_000)
    expect(await manager.updateTask(created.taskId, { runAt })).toEqual({ ...changed, runAt })
    expect(await tables.read(bystander.taskId)).toEqual(others)
  })

  test('replaces all params by what the schema makes of the new ones, redacted in what is returned', async () => {
    const { manager } = create()
    const { taskId } = await manager.createTask(report, { userId: 7, dryRun: true, note: 'old' })
    const changed = await manager.updateTask(taskId, { params: { userId: 8, note: 'new' } })
    expect(changed.params).toEqual({ userId: 8, dryRun: false, note: '[redacted]' })
    const stored = async () => (await tables.read(taskId)).params.map(({ key, value }) => [key, value])
    expect(await stored()).toEqual([
      ['dryRun', 'false'],
      ['note', '"new"'],
      ['userId', '8'],
    ])
    await manager.updateTask(taskId, { params: { userId: 9 } })
    expect(await stored()).toEqual([
      ['dryRun', 'false'],
      ['userId', '9'],
    ])
    const other = await manager.createTask(plain, { a: 1 })
    expect((await manager.updateTask(other.taskId, { params: {} })).params).toEqual({})
    expect((await tables.read(other.taskId)).params).toEqual([])
  })

  test.each<[string, unknown, string, string]>([
    ['nothing', {}, 'INVALID_ARGUMENT', 'something to change: params, priority or runAt'],
    ['nothing defined', { params: undefined }, 'INVALID_ARGUMENT', 'something to change'],
    ['no object', null, 'INVALID_ARGUMENT', 'expected object'],
    [
      'another field',
      { priorty: 1 },
      'INVALID_ARGUMENT',
      'priorty is not a known option, did you mean priority',
    ],
    ['a field of a create', { maxRetries: 1 }, 'INVALID_ARGUMENT', 'maxRetries is not a known option'],
    ['a wrong priority', { priority: 101 }, 'INVALID_ARGUMENT', '/priority'],
    ['a text for a date', { runAt: '2030-01-01' }, 'INVALID_ARGUMENT', '/runAt'],
    ['params that do not fit', { params: { userId: 'x' } }, 'INVALID_PARAMS', '/userId'],
    ['params that are none', { params: [] }, 'INVALID_PARAMS', 'expected object'],
    ['unknown params', { params: { userId: 1, x: 1 } }, 'INVALID_PARAMS', '/x'],
    ['large params', { params: { userId: 1, note: 'n'.repeat(1_000) } }, 'INVALID_PARAMS', 'is too large'],
    ['a marker', { params: { userId: 1, note: '[redacted]' } }, 'INVALID_PARAMS', '/note'],
    ['one wrong field of two', { priority: 1, params: {} }, 'INVALID_PARAMS', '/userId'],
  ])('refuses %s, and changes nothing', async (_name, changes, code, part) => {
    const { manager } = create()
    const { taskId } = await manager.createTask(report, { userId: 7 })
    const before = await tables.read()
    const refused = expect.objectContaining({ code, message: expect.stringContaining(part) })
    const call = Promise.resolve().then(() => manager.updateTask(taskId, changes as never))
    await expect(call).rejects.toEqual(refused)
    expect(await tables.read()).toEqual(before)
  })

  test('makes the concurrency key anew, but keeps one that was given', async () => {
    const { manager } = create()
    const own = await manager.createTask(keyed, { shop: 1 })
    const given = await manager.createTask(keyed, { shop: 1 }, { concurrencyKey: 'mine' })
    const keys = []
    for (const { taskId } of [own, given]) {
      keys.push((await manager.updateTask(taskId, { params: { shop: 2 } })).concurrencyKey)
      keys.push((await manager.updateTask(taskId, { priority: 1 })).concurrencyKey)
    }
    expect(keys).toEqual(['shop 2', 'shop 2', 'mine', 'mine'])
  })

  test('of a task that waits for a retry keeps its history', async () => {
    const { manager } = create()
    const waiting = { task_type: 'plain', attempt: 2, retry_count: 2, error_message: 'no luck' }
    const taskId = await tables.insert({ ...waiting, started_at: '2024-01-01T00:00:01Z', run_at: LATER })
    const changed = await manager.updateTask(taskId, { params: { a: 2 } })
    expect(changed).toEqual(await manager.getTask(taskId))
    expect(changed).toMatchObject({ retryCount: 2, error: 'no luck', params: { a: 2 } })
  })

  test('of a task that sleeps forgets its steps and progress with its params, and keeps them otherwise', async () => {
    const { manager } = create()
    const progress = { progress: 2, total: 3, step: 'wait' }
    const taskId = await tables.insert({ task_type: 'plain', attempt: 1, run_at: LATER, ...progress })
    await insertSteps(tables.pool, taskId)
    const runAt = new Date(LATER.getTime() + 5_000)
    await manager.updateTask(taskId, { runAt })
    expect(await manager.getTask(taskId)).toMatchObject({
      ...progress,
      stepCount: 2,
      steps: [{}, { name: 'wait', endedAt: runAt }],
    })
    const changed = await manager.updateTask(taskId, { params: { day: 2 } })
    expect(changed).toMatchObject({ runAt, steps: [], stepCount: 0, progress: 0, total: 0, step: null })
    expect(await manager.getTask(taskId)).toEqual(changed)
  })

  test('many at once leave the params and the priority of one of them', async () => {
    const { manager } = create()
    const { taskId } = await manager.createTask(plain, { first: true })
    const changes = Array.from({ length: 12 }, (_, n) => ({
      priority: n,
      params: { all: n, [`only${n}`]: n },
    }))
    const answers = await Promise.allSettled(changes.map((change) => manager.updateTask(taskId, change)))
    for (const answer of answers) {
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'TASK_BUSY' })
    }
    expect(answers.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
    const last = await manager.getTask(taskId)
    expect(changes).toContainEqual({ priority: last?.priority, params: last?.params })
  })
})

describe('runNow', () => {
  test('makes a delayed task due, and leaves one that is due in its place', async () => {
    const { manager, events } = create()
    const delayed = await manager.createTask(plain, {}, { runAt: LATER, priority: 3 })
    const announced = nextEvent(events, 'changed')
    const changed = await manager.runNow(delayed.taskId)
    const { rows } = await tables.pool.query(
      `select now() - run_at < interval '1 minute' as fresh from async_tasks`,
    )
    expect(rows).toEqual([{ fresh: true }])
    const { created: _created, ...shown } = delayed
    expect(changed).toEqual({ ...shown, runAt: expect.any(Date) })
    expect(await announced).toMatchObject({ taskId: delayed.taskId, overdue: false })
    const due = await tables.insert({ run_at: '2024-01-01T00:00:00Z' })
    expect((await manager.runNow(due)).runAt).toEqual(new Date('2024-01-01T00:00:00Z'))
  })
})

describe.each(ACTIONS)('%s', (_name, act) => {
  test.each(['running', 'completed', 'failed', 'cancelled'] as const)(
    'of a %s task is refused',
    async (status) => {
      const { manager, events } = create()
      const taskId = await tables.insert(inStatus(status))
      const before = await tables.read()
      events.on('changed', () => expect.unreachable('nothing was changed'))
      await expect(act(manager, taskId)).rejects.toMatchObject({
        code: 'TASK_NOT_PENDING',
        message: `${taskId} is ${status}: only a pending task can be changed`,
      })
      expect(await tables.read()).toEqual(before)
    },
  )

  test('of a task that has expired is refused', async () => {
    const { manager } = create()
    const taskId = await tables.insert({ expires_at: '2024-01-01T00:00:00Z' })
    await expect(act(manager, taskId)).rejects.toMatchObject({ code: 'TASK_NOT_PENDING' })
  })

  test.each(NO_IDS)('of no task is refused: %.20s', async (taskId) => {
    await expect(act(create().manager, taskId)).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
  })

  test('of a task that a transaction holds is refused after a moment, and changes nothing later', async () => {
    const { manager } = create()
    const { taskId } = await manager.createTask(plain, { a: 1 })
    const before = await tables.read()
    await withTransaction(tables.pool, async (client) => {
      await client.query('select from async_tasks where task_id = $1 for update', [taskId])
      await expect(act(manager, taskId)).rejects.toMatchObject({ code: 'TASK_BUSY' })
    })
    expect(await tables.read()).toEqual(before)
  })
})

test.each(['infinity', '-infinity'])('a task that is due at %s is changed as any other', async (run_at) => {
  const { manager } = create()
  const replacement = { uniqueKey: 'k', onDuplicate: 'replace' } as const
  const replace = () => manager.createTask(plain, {}, replacement)
  for (const change of [...ACTIONS.map(([, act]) => act), replace]) {
    const taskId = await tables.insert({ task_type: 'plain', unique_key: 'k', run_at })
    expect(await change(manager, taskId)).toMatchObject({ taskId, status: 'pending' })
    await tables.set(taskId, { status: 'cancelled' })
  }
})

test('against a claim one of the two wins, and a started task has all of a change or nothing', async () => {
  const { manager, db } = create()
  const count = { changed: 0, started: 0 }
  for (let round = 0; round < 40; round += 1) {
    // Many, so that a claim takes a while between its snapshot and the lock of the last ones.
    const items = Array.from({ length: 150 }, () => ({ task: plain, params: { round: -1, old: true } }))
    const taskIds = (await manager.createTasks(items)).map(({ taskId }) => taskId)
    const claim = createClaims(db, SOME_EXECUTOR, ['plain'])
    const targets = taskIds.slice(-12)
    const isDelayed = round % 2 === 1
    const [claimed, ...changes] = await Promise.all([
      // Sooner or later after the changes have begun, so that each of the two comes first in some rounds.
      delay(round % 8).then(() => claim(1_000)),
      ...targets.map((taskId) =>
        manager
          .updateTask(taskId, { params: { round }, priority: 5, ...(isDelayed ? { runAt: LATER } : {}) })
          .then(
            () => true,
            (error: unknown) => {
              // Busy: the claim holds the row for longer than a change waits.
              expect(error).toMatchObject({ code: expect.toBeOneOf(['TASK_NOT_PENDING', 'TASK_BUSY']) })
              return false
            },
          ),
      ),
    ])
    const started = new Map([...claimed, ...(await claim(1_000))].map((one) => [one.taskId, one.params]))
    for (const [i, taskId] of targets.entries()) {
      const wasChanged = changes[i] === true
      count[wasChanged ? 'changed' : 'started'] += 1
      const params = wasChanged ? { round: String(round) } : { round: '-1', old: 'true' }
      // What was put off before it was started is not started.
      expect(started.get(taskId)).toEqual(wasChanged && isDelayed ? undefined : params)
      const task = await manager.getTask(taskId)
      expect(task?.params).toEqual(wasChanged ? { round } : { round: -1, old: true })
      expect(task?.priority).toBe(wasChanged ? 5 : 0)
    }
    await tables.pool.query('truncate async_tasks cascade')
  }
  console.log(`a claim against a change: ${JSON.stringify(count)}`)
  expect(count.changed).toBeGreaterThan(0)
  expect(count.started).toBeGreaterThan(0)
})
