import assert from 'node:assert/strict'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry, PermanentError, type TaskEventName } from 'fastify-async-tasks'
import { findCreated } from 'fastify-async-tasks/testing'
import { z } from 'zod'
import { connectionString, show } from './host.ts'

const { task } = createTaskRegistry()

const alertStaff = task('alert_staff', {
  params: z.object({
    taskId: z.string(),
    taskType: z.string(),
    params: z.object({ day: z.string() }),
    error: z.string(),
    attempts: z.int(),
  }),
})(({ taskType, params, error, attempts }) => `${taskType} of ${params.day}: ${error}, ${attempts} attempts`)

const closeBooks = task('close_books', {
  params: z.object({ day: z.string() }),
  maxRetries: 1,
  retryBaseMs: 200,
  onFailed: alertStaff,
})(async ({ day }, ctx) => {
  if (day === 'monday') return { closed: day }
  throw ctx.attempt === 1 ? new Error('the bank is closed') : new PermanentError('the books are lost')
})

const app = Fastify()
await app.register(asyncTasks, { connectionString, tasks: [closeBooks, alertStaff], routes: false })

const seen: string[] = []
const names = ['created', 'started', 'completed', 'failed', 'retrying'] satisfies TaskEventName[]
const listening = names.map((name) =>
  app.tasks.on(name, ({ taskType, attempt }) => {
    if (taskType === 'close_books') seen.push(`${name} ${attempt}`)
  }),
)
const failed = Promise.withResolvers<string>()
app.tasks.on('failed', ({ taskType, error, durationMs }) => {
  failed.resolve(`${taskType}: ${error}`)
  assert(durationMs !== undefined && durationMs >= 0)
})
app.tasks.on('failed', () => {
  throw new Error('the pager is broken')
})
await app.ready()

const good = await app.tasks.createTask(closeBooks, { day: 'monday' })
await app.tasks.waitFor(good.taskId)
const bad = await app.tasks.createTask(closeBooks, { day: 'tuesday' })
assert.equal(await failed.promise, 'close_books: the books are lost')
assert.deepEqual(seen, [
  ...['created 0', 'started 1', 'completed 1'],
  ...['created 0', 'started 1', 'retrying 1', 'started 2', 'failed 2'],
])
for (const removeListener of listening) removeListener()
show('on() tells of each event after its commit, and a listener that throws changes nothing')

const [alert] = await findCreated(app, alertStaff)
assert(alert)
const sent = await app.tasks.waitFor(alert.taskId, { task: alertStaff })
assert.equal(sent.result, 'close_books of tuesday: the books are lost, 2 attempts')
assert.equal(seen.length, 8)
show('onFailed runs one alert, with the params of the task that failed for good')

await app.tasks.retryTask(bad.taskId)
await app.tasks.waitFor(bad.taskId)
assert.equal((await findCreated(app, alertStaff)).length, 2)
await app.close()
show('a task that an operator retries and that fails again gets another one')
