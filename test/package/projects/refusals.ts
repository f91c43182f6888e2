import assert from 'node:assert/strict'
import Fastify from 'fastify'
import asyncTasks, { type AsyncTasksOptions, createTaskRegistry, TaskError } from 'fastify-async-tasks'
import { createTasksClient } from 'fastify-async-tasks/client'
import { z } from 'zod'
import { connectionString, show } from './host.ts'

const { task } = createTaskRegistry()
const sendReport = task('send_report', { params: z.object({ userId: z.int() }) })(({ userId }) => userId)
const plain: AsyncTasksOptions = { connectionString, tasks: [sendReport], authorize: false }

async function refusalOf(options: AsyncTasksOptions): Promise<string> {
  const app = Fastify()
  try {
    await app.register(asyncTasks, options)
    await app.ready()
  } catch (error) {
    assert(error instanceof Error)
    return error.message
  } finally {
    await app.close()
  }
  return 'started'
}

// @ts-expect-error a misspelt option
assert.match(await refusalOf({ ...plain, concurency: 3 }), /concurency .* did you mean concurrency\?/)
assert.match(await refusalOf({ ...plain, schema: 'pg_jobs' }), /schema .* PostgreSQL reserves 'pg_jobs'/)
assert.match(await refusalOf({ ...plain, decorator: 'inject' }), /app\.inject exists already/)
assert.match(await refusalOf({ connectionString, tasks: [sendReport] }), /authorize is required/)
assert.match(await refusalOf({ ...plain, concurrency: 0 }), /concurrency/)
show('misspelt and impossible options of the plugin are refused by name')

// @ts-expect-error a misspelt option
assert.throws(() => task('report', { maxRetry: 3 })(() => {}), /maxRetry .* did you mean maxRetries\?/)
// @ts-expect-error a name instead of the handler
assert.throws(() => task('report', { onFailed: 'alert' })(() => {}), /onFailed must be a handler/)
// @ts-expect-error an object of schemas instead of a schema
assert.throws(() => task('report', { params: { userId: z.int() } })(() => {}), /wrap it in z\.object\(\)/)
assert.throws(() => task('send_report')(() => {}), { code: 'DUPLICATE_TASK_TYPE' })
show('so are those of task(), and a second handler for a type')

const app = Fastify()
await app.register(asyncTasks, { ...plain, authorize: false, executor: false })
await app.ready()
await assert.rejects(app.tasks.createTask('send_repotr', { userId: 7 }), (error) => {
  assert(error instanceof TaskError)
  assert.equal(error.code, 'UNKNOWN_TASK_TYPE')
  assert.match(error.message, /did you mean send_report\?/)
  return true
})
await assert.rejects(
  // @ts-expect-error a misspelt option
  app.tasks.createTask(sendReport, { userId: 7 }, { delay: 5 }),
  /delay .* did you mean delayMs\?/,
)
await assert.rejects(
  // @ts-expect-error params that the schema does not take
  app.tasks.createTask(sendReport, { userId: 'seven' }),
  ({ code, problems }: TaskError) => code === 'INVALID_PARAMS' && problems[0]?.pointer === '/userId',
)
// @ts-expect-error no such event
assert.throws(() => app.tasks.on('fail', () => {}), /did you mean failed\?/)
assert.equal((await app.tasks.listTasks()).total, 0)
const posted = await app.inject({
  method: 'POST',
  url: '/api/admin/tasks',
  payload: { taskType: 'send_repotr' },
})
assert.deepEqual([posted.statusCode, posted.json().code], [400, 'UNKNOWN_TASK_TYPE'])
await app.close()
// @ts-expect-error a misspelt option
const connect = () => createTasksClient({ baseUrl: '/api/admin', tokens: 'x' })
assert.throws(connect, /tokens .* did you mean token\?/)
show('unknown types, params, options and events are refused, and nothing is created')
