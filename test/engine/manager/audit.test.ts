import { expect, test } from 'vitest'
import { z } from 'zod'
import { withTransaction } from '../../../src/db/client.ts'
import type { Actor } from '../../../src/engine/definition/actor.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { nextEvent } from '../../support/engine.ts'
import { captureAllStatements } from '../../support/plans.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'
import { actor, entriesOf, MISSING, refused } from './audit-entries.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const plain = task('plain')(() => undefined)
const strict = task('strict', { params: z.strictObject({ n: z.int() }) })(() => undefined)

const SCHEDULE = { name: 'nightly', cron: '@daily', task: plain } as const

const createManager = () => tables.createManager([plain, strict]).manager

test('an entry names actor, action, subject, outcome, request and address, and nothing of the params', async () => {
  const manager = createManager()
  const params = { password: 'secret-1' }
  const { taskId } = await manager.createTask(plain, params, { actor })
  const { entries, nextCursor } = await manager.listAudit()
  expect(nextCursor).toBeNull()
  expect(entries).toEqual([
    {
      at: expect.any(Date),
      actor: { id: 'u1', name: 'Ada' },
      action: 'task.create',
      subject: taskId,
      outcome: 'ok',
      requestId: 'req-1',
      address: '192.0.2.1',
    },
  ])
  const { rows } = await tables.pool.query<{ row: string }>('select a::text as row from async_task_audit a')
  expect(rows[0]?.row).not.toContain('secret-1')
})

test('each change of a task has one entry', async () => {
  const manager = createManager()
  const { taskId } = await manager.createTask(plain, {}, { actor, createdBy: 'somebody' })
  await manager.updateTask(taskId, { priority: 5 }, { actor })
  await manager.runNow(taskId, { actor })
  await manager.cancelTask(taskId, { actor })
  await manager.cancelTask(taskId, { actor })
  await manager.retryTask(taskId, { actor })
  await manager.cancelTask(taskId, { actor })
  await manager.retryTask(taskId, { from: 'start', actor })
  await manager.cancelTask(taskId, { actor })
  await manager.deleteTask(taskId, { actor })
  const actions = 'create update run_now cancel cancel retry cancel retry cancel delete'.split(' ')
  expect(await entriesOf(manager)).toEqual(actions.map((action) => `task.${action} ${taskId} ok`))
})

test('each change of a type or schedule has one entry', async () => {
  const manager = createManager()
  await manager.pauseTaskType('plain', { actor })
  await manager.pauseTaskType('plain', { actor })
  await manager.resumeTaskType('plain', { actor })
  await manager.resumeTaskType('plain', { actor })
  await manager.createSchedule(SCHEDULE, { actor })
  await manager.updateSchedule('nightly', { enabled: false }, { actor })
  const { taskId } = await manager.runSchedule('nightly', { createdBy: 'u2', actor })
  await manager.deleteSchedule('nightly', { actor })
  const types = ['pause', 'pause', 'resume', 'resume'].map((action) => `type.${action} plain ok`)
  const schedules = ['create', 'update', 'run', 'delete'].map((action) => `schedule.${action} nightly ok`)
  expect(await entriesOf(manager)).toEqual([...types, ...schedules])
  expect(await manager.getTask(taskId)).toMatchObject({ createdBy: 'u2' })
})

test.each<[string, (manager: TaskManager) => Promise<unknown>]>([
  [`task.cancel ${MISSING}`, (tasks) => tasks.cancelTask(MISSING, { actor })],
  ['task.cancel no id', (tasks) => tasks.cancelTask('no id', { actor })],
  [`task.retry ${MISSING}`, (tasks) => tasks.retryTask(MISSING, { actor })],
  [`task.retry ${MISSING}`, (tasks) => tasks.retryTask(MISSING, { from: 'a', actor })],
  [`task.delete ${MISSING}`, (tasks) => tasks.deleteTask(MISSING, { actor })],
  [`task.update ${MISSING}`, (tasks) => tasks.updateTask(MISSING, { priority: 1 }, { actor })],
  [`task.update ${MISSING}`, (tasks) => tasks.updateTask(MISSING, {}, { actor })],
  [`task.run_now ${MISSING}`, (tasks) => tasks.runNow(MISSING, { actor })],
  ['task.bulk null', (tasks) => tasks.bulk({ action: 'cancel' }, { actor })],
  ['task.create strict', (tasks) => tasks.createTask(strict, { n: 'x' as never }, { actor })],
  ['task.create nobody', (tasks) => tasks.createTask('nobody', {}, { actor })],
  [
    'task.create strict',
    (tasks) => tasks.createTasks([{ task: strict, params: { n: 1 } }, { task: 'strict' }], { actor }),
  ],
  ['task.create null', (tasks) => tasks.createTasks([{ task: plain }, { task: 'nobody' }], { actor })],
  ['task.create null', (tasks) => tasks.createTasks(undefined as never, { actor })],
  ['task.create plain', (tasks) => tasks.createTasks([null, { task: plain }] as never, { actor })],
  ['type.pause nobody', (tasks) => tasks.pauseTaskType('nobody', { actor })],
  ['type.resume nobody', (tasks) => tasks.resumeTaskType('nobody', { actor })],
  ['schedule.create nightly', (tasks) => tasks.createSchedule({ ...SCHEDULE, cron: 'x' }, { actor })],
  ['schedule.update nightly', (tasks) => tasks.updateSchedule('nightly', { enabled: true }, { actor })],
  ['schedule.delete nightly', (tasks) => tasks.deleteSchedule('nightly', { actor })],
  ['schedule.run nightly', (tasks) => tasks.runSchedule('nightly', { actor })],
])('a refused %s has one entry with the code of its error', async (what, change) => {
  const manager = createManager()
  const code = await refused(change(manager))
  expect(await entriesOf(manager)).toEqual([`${what} ${code}`])
})

test('a cancel that waits for a transaction has one entry, which says so', async () => {
  const manager = createManager()
  const taskId = await tables.insert(inStatus('pending'))
  await withTransaction(tables.pool, async (client) => {
    await client.query('select from async_tasks where task_id = $1 for update', [taskId])
    expect(await refused(manager.cancelTask(taskId, { actor }))).toBe('CANCEL_PENDING')
  })
  expect(await entriesOf(manager)).toEqual([`task.cancel ${taskId} CANCEL_PENDING`])
})

test('what an entry holds is bounded and can be stored', async () => {
  const manager = createManager()
  const odd = { id: 'u', name: `\u0000${'é'.repeat(500)}`, requestId: '\ud800', address: "'; drop table" }
  expect(await refused(manager.cancelTask(`"\u0000$1${'x'.repeat(500)}`, { actor: odd }))).toBe(
    'TASK_NOT_FOUND',
  )
  const [entry] = (await manager.listAudit()).entries
  expect(entry).toMatchObject({ requestId: '\uFFFD', address: "'; drop table", outcome: 'TASK_NOT_FOUND' })
  expect(entry?.actor.name).toMatch(/^\uFFFDé{199}…$/)
  expect(entry?.subject).toMatch(/^"\uFFFD\$1x+…$/)
  expect(entry?.subject?.length).toBeLessThanOrEqual(201)
})

test.each<[unknown, string]>([
  ['Ada', '/actor: '],
  [{}, '/actor/id: '],
  [{ id: 7 }, '/actor/id: '],
  [{ id: '' }, '/actor/id: '],
  [{ id: 'u'.repeat(201) }, '/actor/id: '],
  [{ id: 'u', email: 'a@b' }, 'email is not a known option'],
])('the actor %j is refused, and changes nothing', async (wrong, problem) => {
  const manager = createManager()
  const { taskId } = await manager.createTask(plain)
  const options = { actor: wrong as Actor }
  for (const call of [
    () => manager.cancelTask(taskId, options),
    () => manager.createTask(plain, {}, options),
  ]) {
    const message = expect.stringContaining(problem) as string
    await expect(call()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message })
  }
  await expect(manager.cancelTask(taskId, { user: 1 } as never)).rejects.toThrow('user is not a known option')
  expect((await manager.listTasks()).tasks).toMatchObject([{ taskId, status: 'pending' }])
  expect(await entriesOf(manager)).toEqual([])
})

test('an event reports each change that is committed, for the log', async () => {
  const { manager, events } = tables.createManager([plain])
  const next = () => nextEvent(events, 'audited')
  const created = next()
  const { taskId } = await manager.createTask(plain, {}, { actor })
  expect(await created).toEqual({
    actor,
    action: 'task.create',
    results: [{ subject: taskId, outcome: 'ok' }],
  })
  const denied = next()
  await refused(manager.deleteTask(taskId, { actor }))
  expect(await denied).toMatchObject({ results: [{ subject: taskId, outcome: 'TASK_NOT_FINISHED' }] })
  const cancelled = next()
  await withTransaction(tables.pool, (tx) => manager.createTask(plain, {}, { tx, actor }))
  await manager.bulk({ action: 'cancel', filter: {} }, { actor })
  expect((await cancelled).action).toBe('task.cancel')
})

test('a change and its entry are one statement: a process that dies in between leaves both or none', async () => {
  const manager = createManager()
  const { taskId } = await manager.createTask(plain)
  const sent = await captureAllStatements(() => manager.cancelTask(taskId, { actor }))
  const changing = sent.filter(({ text }) => text.includes('tasks_cancel'))
  expect(changing.map(({ text }) => text.includes('insert into public.async_task_audit'))).toEqual([true])
  // Both rows have been written by one transaction.
  const { rows } = await tables.pool.query(
    `select a.xmin = t.xmin as together from async_task_audit a join async_tasks t on t.task_id = a.subject`,
  )
  expect(rows).toEqual([{ together: true }])
})
