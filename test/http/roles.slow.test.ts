import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { Asker } from '../../src/http/authorize.ts'
import { PREFIX, type RoleHost, startRoleHost } from './role-host.ts'

const { task } = createTaskRegistry()
const hello = task('hello')(() => 'world')

const ADMIN: Asker = { id: 1 }
const VIEWER: Asker = { id: 'viewer', role: 'viewer' }
/** An id that is no text: tasks keep it as text. */
const OWNER: Asker = { id: 7, name: 'Ada', role: 'owner' }

interface Row {
  /** What an admin gets. */
  readonly admin: number
  /** `reads`: as an admin; `refused`: 403 READ_ONLY. */
  readonly viewer: 'reads' | 'refused'
  /** `own`: as an admin, of its own tasks, for others 404; `filtered`: as an admin, without others; `refused`: 403. */
  readonly owner: 'own' | 'filtered' | 'refused'
  readonly payload?: () => object
}

const READS = { admin: 200, viewer: 'reads' } as const
const CHANGES = { admin: 200, viewer: 'refused', owner: 'refused' } as const

/** Every route has a row: a new one is closed to owners until somebody decides otherwise here. */
const ROUTES: Readonly<Record<string, Row>> = {
  'GET /me': { ...READS, owner: 'filtered' },
  'GET /tasks': { ...READS, owner: 'filtered' },
  'POST /tasks': { ...CHANGES, admin: 201, payload: () => ({ taskType: 'hello' }) },
  'GET /tasks/:taskId': { ...READS, owner: 'own' },
  'DELETE /tasks/:taskId': { ...CHANGES, admin: 204 },
  'POST /tasks/:taskId/cancel': { ...CHANGES, owner: 'own' },
  'POST /tasks/:taskId/retry': CHANGES,
  'PATCH /tasks/:taskId': { ...CHANGES, payload: () => ({ priority: 1 }) },
  'POST /tasks/:taskId/run-now': CHANGES,
  'GET /tasks/:taskId/logs': { ...READS, owner: 'own' },
  'GET /tasks/:taskId/events': { ...READS, owner: 'own' },
  'GET /tasks/events': { ...READS, owner: 'filtered' },
  'GET /tasks/stats': { ...READS, owner: 'refused' },
  'GET /overview': { ...READS, owner: 'refused' },
  'GET /overview/types': { ...READS, owner: 'refused' },
  'GET /health': { ...READS, owner: 'refused' },
  'POST /tasks/bulk': {
    ...CHANGES,
    owner: 'filtered',
    payload: () => ({ action: 'cancel', taskIds: [pending.own, pending.other] }),
  },
  'GET /task-types': { ...READS, owner: 'refused' },
  'POST /task-types/:taskType/pause': CHANGES,
  'POST /task-types/:taskType/resume': CHANGES,
  'GET /executors': { ...READS, owner: 'refused' },
  'GET /audit': { ...READS, owner: 'refused' },
  'GET /error-groups': { ...READS, owner: 'refused' },
  'GET /error-groups/:groupId': { ...READS, owner: 'refused' },
  'POST /error-groups/:groupId/seen': CHANGES,
  'POST /error-groups/:groupId/unseen': CHANGES,
  'GET /executors/:executorId/runs': { ...READS, owner: 'refused' },
  'GET /schedule-ticks': { ...READS, owner: 'refused' },
  'GET /schedules': { ...READS, owner: 'refused' },
  'POST /schedules': {
    ...CHANGES,
    admin: 201,
    payload: () => ({ name: 'another', cron: '@daily', taskType: 'hello' }),
  },
  'GET /schedules/:name': { ...READS, owner: 'refused' },
  'PATCH /schedules/:name': { ...CHANGES, payload: () => ({ enabled: false }) },
  'DELETE /schedules/:name': { ...CHANGES, admin: 204 },
  'POST /schedules/:name/run': { ...CHANGES, admin: 201 },
}

const GROUP_ID = '0123456789abcdef'

let host: RoleHost
let pending: { own: string; other: string }
let ended: { own: string; other: string }

beforeAll(async () => {
  host = await startRoleHost([hello])
  // What is created stays pending: the subject is the routes.
  host.app.taskExecutor?.beginStop()
})
afterAll(() => host.close())
beforeEach(async () => {
  const { tasks } = host.app
  const create = async (createdBy: string | null) => (await tasks.createTask(hello, {}, { createdBy })).taskId
  pending = { own: await create('7'), other: await create('someone else') }
  ended = { own: await create('7'), other: await create(null) }
  for (const taskId of Object.values(ended)) await tasks.cancelTask(taskId)
  await tasks.declareSchedules([{ name: 'nightly', cron: '@daily', task: hello }])
  await host.database.pool.query(
    `insert into async_task_error_groups
       (group_id, task_type, message, sample, last_task_id, count, first_at, last_at, hours, hours_until)
     values ($1, 'hello', 'late', 'late', 'task_x', 1, now(), now(), '{}', now())
     on conflict do nothing`,
    [GROUP_ID],
  )
})

const NEEDS_END = new Set(['DELETE /tasks/:taskId', 'POST /tasks/:taskId/retry'])

type Request = InjectOptions & { url: string }

function requestOf(route: string, whose: 'own' | 'other' | { taskId: string }): Request {
  const [method, path] = route.split(' ') as ['GET' | 'POST', string]
  const taskId = typeof whose === 'object' ? whose.taskId : (NEEDS_END.has(route) ? ended : pending)[whose]
  const executorId = host.app.taskExecutor?.id ?? ''
  const values: Record<string, string> = {
    ...{ taskId, taskType: 'hello', name: 'nightly' },
    ...{ groupId: GROUP_ID, executorId },
  }
  const url = PREFIX + path.replace(/:(\w+)/g, (_, name: string) => values[name] ?? '')
  const payload = ROUTES[route]?.payload?.()
  return { method, url, ...(payload && { payload }) }
}

/** A stream has no end: its status is all that is asked for. */
async function ask(user: Asker, request: Request): Promise<LightMyRequestResponse> {
  if (!request.url.endsWith('/events')) return host.as(user, request)
  const opened = await host.as(user, { ...request, payloadAsStream: true })
  if (opened.statusCode !== 200) return host.as(user, request)
  opened.stream().destroy()
  return opened
}

test('every route has a row in the table, and every row is a route', () => {
  expect([...host.routes].toSorted()).toEqual(Object.keys(ROUTES).toSorted())
})

describe.each(Object.entries(ROUTES))('%s', (route, { admin, viewer, owner }) => {
  const statusOf = async (user: Asker, whose: 'own' | 'other') =>
    (await ask(user, requestOf(route, whose))).statusCode

  test(`an admin gets ${admin}`, async () => {
    expect(await statusOf(ADMIN, 'other')).toBe(admin)
  })

  test(`a viewer is ${viewer === 'reads' ? 'served' : 'refused'}`, async () => {
    if (viewer === 'reads') return expect(await statusOf(VIEWER, 'other')).toBe(admin)
    const before = await rows()
    const answer = await ask(VIEWER, requestOf(route, 'other'))
    expect(answer.json()).toMatchObject({ status: 403, code: 'READ_ONLY' })
    expect(await rows()).toEqual(before)
  })

  test(`an owner: ${owner}`, async () => {
    if (owner !== 'refused') expect(await statusOf(OWNER, 'own')).toBe(admin)
    if (owner === 'filtered') return
    const before = await rows()
    const answer = await ask(OWNER, requestOf(route, 'other'))
    if (owner === 'refused') expect(answer.json()).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    else expect(answer.json()).toMatchObject({ status: 404, code: 'TASK_NOT_FOUND' })
    expect(await rows()).toEqual(before)
  })

  if (owner !== 'own') return
  test('another task is to an owner as one that does not exist', async () => {
    const missing = `${pending.other.slice(0, -4)}0000`
    const [other, none] = [
      await ask(OWNER, requestOf(route, 'other')),
      await ask(OWNER, requestOf(route, { taskId: missing })),
    ]
    const { date: _one, ...otherHeaders } = other.headers
    const { date: _other, ...noneHeaders } = none.headers
    expect(other.statusCode).toBe(none.statusCode)
    expect(otherHeaders).toEqual(noneHeaders)
    expect(other.body.replaceAll(pending.other, missing)).toBe(none.body)
  })
})

/** All that a request might have changed. */
async function rows(): Promise<unknown[]> {
  const all = await Promise.all(
    ['async_tasks', 'async_task_schedules', 'async_task_types', 'async_task_error_groups'].map((table) =>
      host.database.pool.query(`select * from ${table} order by 1`),
    ),
  )
  return all.map((result) => result.rows as unknown)
}

describe('an owner', () => {
  test('lists its own tasks alone, and counts them alone', async () => {
    const list = (await host.as(OWNER, { url: `${PREFIX}/tasks?pageSize=200` })).json()
    const { rows: own } = await host.database.pool.query(
      `select task_id from async_tasks where created_by = '7' order by created_at desc, id desc`,
    )
    // A page has no more.
    expect(list.tasks.map(({ taskId }: { taskId: string }) => taskId)).toEqual(
      own.slice(0, 200).map(({ task_id }) => task_id),
    )
    expect(list.total).toBe(own.length)
    for (const q of [pending.other, pending.other.slice(0, 12)]) {
      const found = (await host.as(OWNER, { url: `${PREFIX}/tasks?q=${q}` })).body
      expect(found).not.toContain(pending.other)
    }
  })

  test.each(['GET /tasks', 'GET /tasks/events'])(
    'of %s may name itself as the creator, and nobody else',
    async (route) => {
      const { url } = requestOf(route, 'own')
      expect((await ask(OWNER, { url: `${url}?createdBy=8` })).json()).toMatchObject({
        code: 'FORBIDDEN',
      })
      const own = await host.as(OWNER, { url: `${url}?createdBy=7`, payloadAsStream: true })
      expect(own.statusCode).toBe(200)
      own.stream().destroy()
    },
  )

  test('cancels many of its own tasks, named or filtered, and none of others', async () => {
    const bulk = (payload: object) => host.as(OWNER, { method: 'POST', url: `${PREFIX}/tasks/bulk`, payload })
    const named = await bulk({
      action: 'cancel',
      taskIds: [pending.other, pending.own, 'task_no', pending.other],
    })
    expect(named.json()).toEqual({
      results: [
        { taskId: pending.other, ok: false, code: 'TASK_NOT_FOUND' },
        { taskId: pending.own, ok: true, wasPending: true },
        { taskId: 'task_no', ok: false, code: 'TASK_NOT_FOUND' },
      ],
      more: false,
    })
    const { taskId } = await host.app.tasks.createTask(hello, {}, { createdBy: '7' })
    const filtered = (await bulk({ action: 'cancel', filter: {} })).json()
    expect(filtered.results).toContainEqual({ taskId, ok: true, wasPending: true })
    expect(JSON.stringify(filtered)).not.toContain(pending.other)
    expect((await host.app.tasks.getTask(pending.other))?.status).toBe('pending')
    for (const refused of [
      { action: 'retry', taskIds: [ended.own] },
      { action: 'delete', filter: {} },
      { action: 'cancel', filter: { createdBy: 'someone else' } },
    ]) {
      expect((await bulk(refused)).json()).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    }
  })

  test('is told who it is', async () => {
    expect((await host.as(OWNER, { url: `${PREFIX}/me` })).json()).toEqual({
      id: '7',
      name: 'Ada',
      role: 'owner',
    })
    expect((await host.as(ADMIN, { url: `${PREFIX}/me` })).json()).toEqual({
      id: '1',
      name: null,
      role: 'admin',
    })
  })

  test('may read by HEAD what it may read, and learns no more by it', async () => {
    const head = (taskId: string) => host.as(OWNER, { method: 'HEAD', url: `${PREFIX}/tasks/${taskId}` })
    expect((await head(pending.own)).statusCode).toBe(200)
    expect((await head(pending.other)).statusCode).toBe(404)
  })
})

test('who created a task is asked by the routes, not by a method of the manager', () => {
  expect('findCreatedBy' in host.app.tasks).toBe(false)
})

test('createdBy filters lists and bulk actions of an admin', async () => {
  const list = await host.as(ADMIN, { url: `${PREFIX}/tasks?createdBy=someone%20else&status=pending` })
  const listed = list.json().tasks.map(({ taskId }: { taskId: string }) => taskId)
  expect(listed).toContain(pending.other)
  expect(listed).not.toContain(pending.own)
  const payload = { action: 'cancel', filter: { createdBy: '7' }, dryRun: true }
  const bulk = await host.as(ADMIN, { method: 'POST', url: `${PREFIX}/tasks/bulk`, payload })
  expect(bulk.json().results).toContainEqual({ taskId: pending.own, ok: true, wasPending: true })
  expect(bulk.body).not.toContain(pending.other)
  await expect(host.app.tasks.listTasks({ createdBy: 'nobody' })).resolves.toMatchObject({
    total: 0,
    tasks: [],
  })
})
