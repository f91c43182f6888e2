import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
const left = task('left')(() => undefined)
const right = task('right')(() => undefined)

const COUNT = 25

let server: BundledServer
let newestFirst: string[]

beforeAll(async () => {
  server = await startBundledServer({ tasks: [left, right] })
  const runAt = new Date(Date.now() + 3_600_000)
  // One statement, so all of them have the same instant of creation: the order rests on the id then.
  const created = await server.app.tasks.createTasks(
    Array.from({ length: COUNT }, (_, index) => ({ task: index % 5 === 0 ? right : left, runAt })),
  )
  newestFirst = created.map(({ taskId }) => taskId).reverse()
  await server.app.tasks.cancelTask(newestFirst[0] ?? '')
})
afterAll(() => server.close())

const list = async (query: string) => (await server.asAdmin({ url: `/api/admin/tasks?${query}` })).json()
const ids = (answer: { tasks: { taskId: string }[] }) => answer.tasks.map(({ taskId }) => taskId)

test('pages are counted from 1 and total counts all of them', async () => {
  const second = await list('page=2&pageSize=10')
  expect(second).toMatchObject({ total: COUNT, page: 2, pageSize: 10 })
  expect(ids(second)).toEqual(newestFirst.slice(10, 20))
  expect(ids(await list('page=9&pageSize=10'))).toEqual([])
})

test('the cursor leads through everything once, and ends', async () => {
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page: { tasks: { taskId: string }[]; nextCursor: string | null } = await list(
      `pageSize=7${cursor === null ? '' : `&cursor=${cursor}`}`,
    )
    seen.push(...ids(page))
    cursor = page.nextCursor
  } while (cursor !== null)
  expect(seen).toEqual(newestFirst)
})

test.each(['page=1&page=2', 'pageSize=5&pageSize=5', 'q=left&q=right', 'cursor=a&cursor=b'])(
  'a parameter that is no list is refused if it comes twice: %s',
  async (query) => {
    const [name] = query.split('=')
    const answer = await list(query)
    expect(answer).toMatchObject({ status: 400, code: 'INVALID_REQUEST', errors: [{ pointer: `/${name}` }] })
  },
)

test('filters narrow the list and its total', async () => {
  expect(await list('status=cancelled')).toMatchObject({ total: 1 })
  expect(await list('status=cancelled&status=pending')).toMatchObject({ total: COUNT })
  expect(await list('taskType=right&pageSize=1')).toMatchObject({ total: 5 })
  expect(await list('q=right')).toMatchObject({ total: 5 })
  expect(ids(await list(`q=${newestFirst[3]}`))).toEqual([newestFirst[3]])
  expect(await list('q=task_')).toMatchObject({ total: COUNT })
  expect(await list('q=%25')).toMatchObject({ total: 0 })
  expect(await list(`createdAfter=${new Date(Date.now() + 60_000).toISOString()}`)).toMatchObject({
    total: 0,
  })
  expect(await list(`createdBefore=${new Date(Date.now() + 60_000).toISOString()}`)).toMatchObject({
    total: COUNT,
  })
})

test('a list of ids shows these tasks alone, with the other filters', async () => {
  const [first = '', second = '', third = ''] = newestFirst
  expect(ids(await list(`taskId=${third}&taskId=${first}`))).toEqual([first, third])
  expect(ids(await list(`taskId=${second}`))).toEqual([second])
  expect(ids(await list(`taskId=${first}&taskId=${second}&status=cancelled`))).toEqual([first])
  expect(ids(await list(`taskId=${second}&sort=waiting`))).toEqual([second])
  expect(await list('taskId=task_none')).toMatchObject({ total: 0, tasks: [], nextCursor: null })
  const many = Array.from({ length: 201 }, (_, n) => `taskId=t${n}`).join('&')
  expect(await list(many)).toMatchObject({ status: 400, errors: [{ pointer: '/taskId' }] })
})

test.each([
  ['page=', 'INVALID_REQUEST', '/page'],
  ['page=%20', 'INVALID_REQUEST', '/page'],
  ['pageSize=', 'INVALID_REQUEST', '/pageSize'],
  ['page=1.5', 'INVALID_REQUEST', '/page'],
  ['page=one', 'INVALID_REQUEST', '/page'],
  ['page=0', 'INVALID_REQUEST', '/page'],
  ['pageSize=201', 'INVALID_REQUEST', '/pageSize'],
  ['status=done', 'INVALID_REQUEST', '/status/0'],
  ['sort=asc', 'INVALID_REQUEST', '/sort'],
  ['q=%00', 'INVALID_REQUEST', '/q'],
  ['createdAfter=yesterday', 'INVALID_REQUEST', '/createdAfter'],
  ['createdAfter=0000-01-01T00:00:00Z', 'INVALID_REQUEST', '/createdAfter'],
  ['cursor=nonsense', 'INVALID_ARGUMENT', '/cursor'],
  ['page=101&pageSize=100', 'USE_CURSOR', '/page'],
  ['page=10001&pageSize=1', 'USE_CURSOR', '/page'],
  ['page=9007199254740991', 'USE_CURSOR', '/page'],
])('?%s is refused with %s at %s', async (query, code, pointer) => {
  expect(await list(query)).toMatchObject({ status: 400, code, errors: [{ pointer }] })
})

test('the last page within reach still answers', async () => {
  expect(await list('page=100&pageSize=100')).toMatchObject({ tasks: [], total: COUNT })
})
