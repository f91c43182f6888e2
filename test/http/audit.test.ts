import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTasksClient } from '../../src/client/index.ts'
import type { AuditPage } from '../../src/contract/audit.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { Asker } from '../../src/http/authorize.ts'
import { headersOf, PREFIX, type RoleHost, startRoleHost } from './role-host.ts'

const { task } = createTaskRegistry()
const strict = task('strict', { params: z.strictObject({ n: z.int() }) })(() => undefined)

const ADMIN: Asker = { id: 1, name: 'Ada' }
const VIEWER: Asker = { id: 'viewer', role: 'viewer' }
const OWNER: Asker = { id: '7', role: 'owner' }
const MISSING = `task_${'0'.repeat(32)}`
const UNSAFE = new Set(['POST', 'PATCH', 'PUT', 'DELETE'])

let host: RoleHost
let mark: Date

beforeAll(async () => {
  host = await startRoleHost([strict])
  host.app.taskExecutor?.beginStop()
})
afterAll(() => host.close())
beforeEach(async () => {
  await host.database.pool.query('truncate async_task_audit, async_task_schedules')
  mark = new Date()
})

const send = (user: Asker, request: InjectOptions & { url: string }) =>
  host.as(user, { ...request, url: PREFIX + request.url })

async function audit(query = '', user: Asker = ADMIN): Promise<AuditPage> {
  const answer = await send(user, { url: `/audit${query}` })
  expect(answer.statusCode, answer.body).toBe(200)
  return answer.json()
}

const entries = async () =>
  (await audit()).entries.map(({ actor, action, subject, outcome }) => [actor.id, action, subject, outcome])

const create = async () => (await host.app.tasks.createTask(strict, { n: 1 })).taskId

test('an entry has the caller of authorize, the id of the request and the address of the client', async () => {
  const payload = { taskType: 'strict', params: { n: 1 } }
  const answer = await send(ADMIN, { method: 'POST', url: '/tasks', payload, remoteAddress: '192.0.2.7' })
  const { taskId, createdBy } = answer.json()
  expect(createdBy).toBe('1')
  const [entry, ...others] = (await audit()).entries
  expect(others).toEqual([])
  expect(entry).toEqual({
    at: expect.stringMatching(/^\d{4}-.+Z$/),
    actor: { id: '1', name: 'Ada' },
    action: 'task.create',
    subject: taskId,
    outcome: 'ok',
    requestId: expect.stringMatching(/^req-/),
    address: '192.0.2.7',
  })
  expect(Math.abs(Date.parse(String(entry?.at)) - +mark)).toBeLessThan(60_000)
})

describe('every route that changes something', () => {
  const changing = () => host.routes.filter((route) => UNSAFE.has(route.split(' ')[0] ?? ''))
  const paths: Readonly<Record<string, string>> = {
    taskId: MISSING,
    taskType: 'strict',
    name: 'nightly',
    groupId: '0123456789abcdef',
  }

  /** What each route would be asked to change, and as what that is recorded. */
  const requests = () =>
    changing().map((route) => {
      const [method, path] = route.split(' ') as ['POST', string]
      const named = path.match(/:(\w+)/)?.[1]
      const url = path.replace(/:(\w+)/, (_, name: string) => paths[name] ?? '')
      return { route, request: { method, url }, subject: named === undefined ? null : (paths[named] ?? null) }
    })

  test('leaves one entry when it is refused for the role', async () => {
    expect(requests()).toHaveLength(15)
    for (const { request, subject, route } of requests()) {
      await host.database.pool.query('truncate async_task_audit')
      expect((await send(VIEWER, request)).json(), route).toMatchObject({ code: 'READ_ONLY' })
      expect(await entries(), route).toEqual([['viewer', expect.any(String), subject, 'READ_ONLY']])
    }
  })

  test('leaves one entry when its query is refused', async () => {
    for (const { request, subject, route } of requests()) {
      await host.database.pool.query('truncate async_task_audit')
      const answer = await send(ADMIN, { ...request, url: `${request.url}?odd=1` })
      expect(answer.statusCode, route).toBe(400)
      expect(await entries(), route).toEqual([['1', expect.any(String), subject, answer.json().code]])
    }
  })

  test('leaves no entry of a stranger, nor of a page of another site', async () => {
    for (const { request } of requests()) {
      const url = PREFIX + request.url
      const foreign = { origin: 'https://evil.example', cookie: 'a=b' }
      expect((await host.app.inject({ ...request, url })).statusCode).toBeGreaterThanOrEqual(400)
      expect((await send(ADMIN, { ...request, headers: foreign })).json()).toMatchObject({
        code: 'FOREIGN_ORIGIN',
      })
    }
    expect(await entries()).toEqual([])
  })
})

test.each<[string, InjectOptions & { url: string }, [string, string | null, string]]>([
  [
    'invalid params',
    { method: 'POST', url: '/tasks', payload: { taskType: 'strict', params: { n: 'x' } } },
    ['task.create', 'strict', 'INVALID_PARAMS'],
  ],
  [
    'an unknown type',
    { method: 'POST', url: '/tasks', payload: { taskType: 'nobody' } },
    ['task.create', 'nobody', 'UNKNOWN_TASK_TYPE'],
  ],
  [
    'an unknown field',
    { method: 'POST', url: '/tasks', payload: { taskType: 'strict', colour: 'red' } },
    ['task.create', 'strict', 'INVALID_REQUEST'],
  ],
  [
    'broken JSON',
    { method: 'POST', url: '/tasks', payload: '{"a', headers: { 'content-type': 'application/json' } },
    ['task.create', null, 'INVALID_JSON'],
  ],
  [
    'a body that is no object',
    { method: 'POST', url: '/schedules', payload: '["a"]', headers: { 'content-type': 'application/json' } },
    ['schedule.create', null, 'INVALID_REQUEST'],
  ],
  [
    'another media type',
    {
      method: 'POST',
      url: `/tasks/${MISSING}/cancel`,
      payload: 'a=b',
      headers: { 'content-type': 'text/plain' },
    },
    ['task.cancel', MISSING, 'UNSUPPORTED_MEDIA_TYPE'],
  ],
  [
    'a type that does not exist',
    { method: 'POST', url: '/task-types/nobody/pause' },
    ['type.pause', 'nobody', 'UNKNOWN_TASK_TYPE'],
  ],
  [
    'a missing schedule',
    { method: 'PATCH', url: '/schedules/none', payload: { enabled: true } },
    ['schedule.update', 'none', 'SCHEDULE_NOT_FOUND'],
  ],
  [
    'a schedule of an unknown type',
    { method: 'POST', url: '/schedules', payload: { name: 'a', cron: '@daily', taskType: 'nobody' } },
    ['schedule.create', 'a', 'UNKNOWN_TASK_TYPE'],
  ],
])('%s leaves one entry with the code of the response', async (_what, request, expected) => {
  const answer = await send(ADMIN, request)
  expect(answer.json().code).toBe(expected[2])
  expect(await entries()).toEqual([['1', ...expected]])
})

test("an owner's refused changes have one entry each, those of others' tasks as those of none, a bulk call one in all", async () => {
  const own = await host.app.tasks.createTask(strict, { n: 1 }, { createdBy: '7' })
  const other = await create()
  await send(OWNER, { method: 'POST', url: `/tasks/${other}/cancel` })
  await send(OWNER, { method: 'DELETE', url: `/tasks/${other}` })
  const payload = { action: 'cancel', taskIds: [other, own.taskId, other, 'no id'] }
  await send(OWNER, { method: 'POST', url: '/tasks/bulk', payload: { ...payload, dryRun: true } })
  await send(OWNER, { method: 'POST', url: '/tasks/bulk', payload })
  await send(OWNER, { method: 'POST', url: '/tasks/bulk', payload: { ...payload, action: 'delete' } })
  expect((await entries()).sort()).toEqual(
    [
      ['7', 'task.cancel', other, 'TASK_NOT_FOUND'],
      ['7', 'task.delete', other, 'FORBIDDEN'],
      ['7', 'task.cancel', own.taskId, 'ok'],
      ['7', 'task.bulk', null, 'TASK_NOT_FOUND'],
      ['7', 'task.bulk', null, 'FORBIDDEN'],
    ].sort(),
  )
})

test.each([OWNER, VIEWER])('a bulk call of %j for a thousand made-up ids leaves one entry', async (user) => {
  const taskIds = Array.from({ length: 1_000 }, (_, n) => `task_${String(n).padStart(32, '0')}`)
  await send(user, { method: 'POST', url: '/tasks/bulk', payload: { action: 'cancel', taskIds } })
  const outcome = user === OWNER ? 'TASK_NOT_FOUND' : 'READ_ONLY'
  expect(await entries()).toEqual([[user.id, 'task.bulk', null, outcome]])
})

test('reads and unknown paths leave no entry', async () => {
  for (const url of ['/tasks', '/audit', '/me', `/tasks/${MISSING}`, '/nothing']) {
    await send(ADMIN, { url })
  }
  await send(ADMIN, { method: 'PUT', url: `/tasks/${MISSING}` })
  expect(await entries()).toEqual([])
})

describe('GET /audit', () => {
  const seed = async () => {
    const taskId = await create()
    await send(ADMIN, { method: 'POST', url: `/tasks/${taskId}/run-now` })
    await send(VIEWER, { method: 'POST', url: `/tasks/${taskId}/cancel` })
    await send(ADMIN, { method: 'POST', url: `/tasks/${taskId}/cancel` })
    return taskId
  }

  test('lists the newest first, to a viewer as to an admin', async () => {
    const taskId = await seed()
    const page = await audit('', VIEWER)
    expect(page.nextCursor).toBeNull()
    expect(page.entries.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'task.cancel ok',
      'task.cancel READ_ONLY',
      'task.run_now ok',
    ])
    expect(page.entries.map(({ subject }) => subject)).toEqual([taskId, taskId, taskId])
    expect(await audit()).toEqual(page)
  })

  test('filters by actor, action, subject and time', async () => {
    const taskId = await seed()
    const count = async (query: string) => (await audit(query)).entries.length
    expect(await count('?actor=viewer')).toBe(1)
    expect(await count('?action=task.cancel')).toBe(2)
    expect(await count(`?action=task.cancel&actor=1&subject=${taskId}`)).toBe(1)
    expect(await count('?subject=other')).toBe(0)
    expect(await count(`?after=${mark.toISOString()}`)).toBe(3)
    expect(await count(`?before=${mark.toISOString()}`)).toBe(0)
  })

  test('pages by cursor, 100 entries each', async () => {
    await host.database.pool.query(
      `insert into async_task_audit (action, subject, outcome) select 'a', 's' || n, 'ok' from generate_series(1, 150) n`,
    )
    const first = await audit()
    const second = await audit(`?cursor=${first.nextCursor}`)
    const subjects = [...first.entries, ...second.entries].map(({ subject }) => subject)
    expect([first.entries.length, second.entries.length, second.nextCursor]).toEqual([100, 50, null])
    expect(new Set(subjects).size).toBe(150)
  })

  test.each([
    'page=2',
    'pageSize=1',
    'actor=',
    'after=now',
    'cursor=x',
    'user=1',
    `subject=${'x'.repeat(201)}`,
  ])('refuses ?%s', async (query) => {
    const answer = await send(ADMIN, { url: `/audit?${query}` })
    expect(answer.statusCode).toBe(400)
    expect(answer.json().errors[0].pointer).toBe(`/${query.split('=')[0]}`)
  })

  test('is a method of the client, with instants as dates', async () => {
    const taskId = await seed()
    const fetch = async (input: string | URL | Request, init?: RequestInit) => {
      const { pathname, search } = new URL(String(input))
      const headers = { ...headersOf(ADMIN), ...(init?.headers as Record<string, string>) }
      const answer = await host.app.inject({ url: pathname + search, headers })
      return new Response(answer.body, {
        status: answer.statusCode,
        headers: { 'content-type': 'application/json' },
      })
    }
    const client = createTasksClient({ baseUrl: `http://host${PREFIX}`, fetch })
    const { entries } = await client.listAudit({ subject: taskId, after: mark, actor: '1' })
    expect(entries.map(({ action }) => action)).toEqual(['task.cancel', 'task.run_now'])
    expect(entries[0]?.at).toBeInstanceOf(Date)
  })
})
