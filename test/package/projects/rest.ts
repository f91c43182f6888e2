import assert from 'node:assert/strict'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry } from 'fastify-async-tasks'
import { z } from 'zod'
import { connectionString, show } from './host.ts'

const { task } = createTaskRegistry()
const sendReport = task('send_report', { params: z.object({ userId: z.int() }) })(({ userId }) => userId)

const app = Fastify()
await app.register(asyncTasks, {
  connectionString,
  tasks: [sendReport],
  prefix: '/ops/api',
  authorize: false,
  heartbeatIntervalMs: 100,
})

interface Answer {
  status: number
  body: { taskId: string; code?: string; created?: boolean; replaced?: boolean } & Record<string, unknown>
}
async function call(method: 'GET' | 'POST' | 'PATCH', url: string, payload?: object): Promise<Answer> {
  const response = await app.inject({ method, url: `/ops/api${url}`, ...(payload && { payload }) })
  return { status: response.statusCode, body: response.json() }
}
const create = (given: object) => call('POST', '/tasks', { taskType: 'send_report', ...given })

const { body: delayed } = await create({ params: { userId: 7 }, delayMs: 3_600_000 })
const changed = await call('PATCH', `/tasks/${delayed.taskId}`, { params: { userId: 8 }, priority: 9 })
assert.equal(changed.status, 200)
assert.deepEqual(changed.body.params, { userId: 8 })
const invalid = await call('PATCH', `/tasks/${delayed.taskId}`, { params: { userId: 'x' } })
assert.equal(invalid.body.code, 'INVALID_PARAMS')
show('PATCH changes a pending task, or nothing of it')

assert.equal((await call('POST', `/tasks/${delayed.taskId}/run-now`)).status, 200)
assert.equal((await app.tasks.waitFor(delayed.taskId, { task: sendReport })).result, 8)
const late = await call('PATCH', `/tasks/${delayed.taskId}`, { priority: 1 })
assert.deepEqual([late.status, late.body.code], [409, 'TASK_NOT_PENDING'])
show('run-now starts a delayed task with what it was changed to')

const { promise: expired, resolve } = Promise.withResolvers<string>()
app.tasks.on('cancelled', ({ taskId, reason }) => resolve(`${taskId} ${reason}`))
await call('POST', '/task-types/send_report/pause')
const expiresAt = new Date(Date.now() + 1_500).toISOString()
const { body: brief } = await create({ params: { userId: 7 }, expiresAt })
assert.equal(await expired, `${brief.taskId} expired`)
const { body: ended } = await call('GET', `/tasks/${brief.taskId}`)
assert.deepEqual([ended.status, ended.error], ['cancelled', 'expired'])
assert.equal((await create({ params: { userId: 7 }, expiresAt: '2020-01-01T00:00:00Z' })).status, 400)
show('a task that has not started by expiresAt ends cancelled, as expired')

const newest = { uniqueKey: 'report', onDuplicate: 'replace' }
const { body: first } = await create({ params: { userId: 1 }, ...newest })
const second = await create({ params: { userId: 2 }, ...newest })
assert.deepEqual(
  [second.status, second.body.taskId, second.body.created, second.body.replaced],
  [200, first.taskId, false, true],
)
await call('POST', '/task-types/send_report/resume')
assert.equal((await app.tasks.waitFor(first.taskId, { task: sendReport })).result, 2)
show("onDuplicate 'replace' runs the newest params, once")
await app.close()
