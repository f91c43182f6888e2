import { expect, test } from 'vitest'
import { createTasksClient, type TaskDetail, type TaskStatus } from '../../src/client/index.ts'
import { taskStatusQueryOptions } from '../../src/client/query-options.ts'

const client = createTasksClient({ baseUrl: 'http://127.0.0.1:1/api/admin' })

test.each<[TaskStatus | undefined, number | false]>([
  [undefined, 500],
  ['pending', 500],
  ['running', 500],
  ['completed', false],
  ['failed', false],
  ['cancelled', false],
])('a task that is %s is asked for again in %s', (status, interval) => {
  const { queryKey, refetchInterval } = taskStatusQueryOptions(client, 'task_1', { pollIntervalMs: 500 })
  expect(queryKey).toEqual(['fastify-async-tasks', 'task', 'task_1'])
  // Nothing else of the task is looked at.
  const data = status && ({ status } as TaskDetail)
  expect(refetchInterval({ state: { data } })).toBe(interval)
})

test('the question ends with its signal', async () => {
  const { queryFn } = taskStatusQueryOptions(client, 'task_1')
  const reason = new Error('unmounted')
  await expect(queryFn({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})
