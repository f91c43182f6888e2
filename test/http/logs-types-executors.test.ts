import { beforeAll, describe, expect, test } from 'vitest'
import { useTasksServer } from './tasks-server.ts'

const server = useTasksServer()
const { get, create } = server

describe('logs', () => {
  let taskId: string
  beforeAll(async () => {
    taskId = await create({ taskType: 'chatty', params: {} })
    await server.app.tasks.waitFor(taskId, { timeoutMs: 10_000 })
  })

  test('total is the total, not the page', async () => {
    const page = (await get(`/tasks/${taskId}/logs?page=2&pageSize=2`)).json()
    expect(page).toMatchObject({ total: 6, page: 2, pageSize: 2 })
    expect(page.logs.map((line: { message: string }) => line.message)).toEqual(['line 3', 'line 4'])
    expect(page.logs[0]).toMatchObject({ level: 'INFO', attempt: 1, createdAt: expect.stringMatching(/Z$/) })
  })

  test('have no total with total=false, and are not counted', async () => {
    const page = (await get(`/tasks/${taskId}/logs?total=false&pageSize=2`)).json()
    expect(page).toEqual({ logs: [expect.anything(), expect.anything()], page: 1, pageSize: 2 })
    expect((await get(`/tasks/${taskId}/logs?total=true`)).json()).toMatchObject({ total: 6 })
    const found = (await get(`/tasks/${taskId}/logs?total=false&q=last`)).json()
    expect(found).toEqual({
      ...{ logs: [expect.anything()], searched: 6, nextId: null, page: 1, pageSize: 50 },
    })
    const refused = (await get(`/tasks/${taskId}/logs?total=0`)).json()
    expect(refused).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ pointer: '/total' }] })
  })

  test('are filtered by level, ordered, and continued after an id', async () => {
    const warnings = (await get(`/tasks/${taskId}/logs?level=WARNING`)).json()
    expect(warnings).toMatchObject({ total: 1, logs: [{ message: 'last line' }] })
    const newest = (await get(`/tasks/${taskId}/logs?order=desc&pageSize=1`)).json()
    expect(newest).toMatchObject({ total: 6, logs: [{ message: 'last line' }] })
    const first = (await get(`/tasks/${taskId}/logs?pageSize=1`)).json().logs[0].id
    const rest = (await get(`/tasks/${taskId}/logs?afterId=${first}`)).json()
    expect(rest.logs).toHaveLength(5)
    expect((await get(`/tasks/${taskId}/logs?afterId=0`)).json().logs).toHaveLength(6)
  })

  test.each(['', '%20', '-1', '1.5', 'x', '9007199254740993'])('afterId=%s is refused', async (afterId) => {
    const refused = (await get(`/tasks/${taskId}/logs?afterId=${afterId}`)).json()
    expect(refused).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ pointer: '/afterId' }] })
  })
})

test('task types come with their defaults and the JSON Schema of their params', async () => {
  const { taskTypes } = (await get('/task-types')).json()
  expect(taskTypes).toContainEqual(
    expect.objectContaining({
      taskType: 'wait',
      maxRetries: 3,
      timeoutSeconds: 14_400,
      params: expect.objectContaining({ type: 'object', properties: { days: expect.anything() } }),
    }),
  )
})

test('executors say who they are and how they do', async () => {
  await expect
    .poll(async () => (await get('/executors')).json().executors)
    .toContainEqual(expect.objectContaining({ pid: process.pid, slots: 2, alive: true }))
})
