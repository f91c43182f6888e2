import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import { toStandardJsonSchema } from '@valibot/to-json-schema'
import Fastify from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import * as v from 'valibot'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import asyncTasks, { createTaskRegistry, PermanentError, typedTasks } from '../../src/index.ts'
import { drainTasks, runTask } from '../../src/testing/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const { task } = createTaskRegistry()

const crop = task('crop', {
  params: toStandardJsonSchema(v.object({ width: v.number(), height: v.optional(v.number(), 100) })),
})(async ({ width, height }) => width * height)

function fromTypeBox<T extends TSchema>(
  schema: T,
): StandardSchemaV1<Static<T>> & StandardJSONSchemaV1<Static<T>> {
  const compiled = Compile(schema)
  const asJson = () => ({ ...(schema as object) })
  const issueOf = ({ instancePath, message }: TLocalizedValidationError) => ({
    path: instancePath.split('/').slice(1),
    message,
  })
  return {
    '~standard': {
      version: 1,
      vendor: 'typebox',
      validate: (value) =>
        compiled.Check(value) ? { value } : { issues: compiled.Errors(value).map(issueOf) },
      jsonSchema: { input: asJson, output: asJson },
    },
  }
}

const rotate = task('rotate', { params: fromTypeBox(Type.Object({ degrees: Type.Integer() })) })(
  async ({ degrees }) => degrees % 360,
)

const syncOrders = task('sync_orders', {
  maxRetries: 8,
  retry: { baseMs: 500, factor: 3, maxMs: 600_000, jitter: 0.2 },
})(async () => {
  throw new Error('the shop is closed')
})

const pollPartner = task('poll_partner', {
  retry: ({ retry, error }) => (error instanceof TypeError ? 60_000 : 1_000 * (retry + 1)),
})(async () => {
  throw new Error('not there yet')
})

const logIn = task('log_in', {
  params: z.object({ user: z.string(), password: z.string() }),
  redact: ['password'],
})(async ({ user, password }, ctx) => {
  ctx.log.info(`trying ${password}`, { user, password })
})

const publish = task('publish')(async (_params, ctx) => {
  ctx.log.info('started', { rows: 7 })
  ctx.log.info({ rows: 7 }, 'started') // the same, in pino's order
  const err = new Error('the printer is out of paper')
  ctx.log.warn('not printed', { err })
  ctx.log.warn(err) // its message is the line's
  return { byCity: new Map([['Oslo', 3]]), tags: new Set(['new']) }
})

const countRows = task('count_rows', { params: z.object({ table: z.string() }) })<{ rows: number }>(
  async ({ table }) => ({ rows: table.length }),
)

const resizeImage = task('resize_image', {
  params: z.object({ path: z.string(), width: z.int() }),
  run: 'thread',
  module: new URL('./resize.ts', import.meta.url),
})<typeof import('./resize.ts')>()

const alert = task('alert', {
  params: z.object({ taskId: z.string(), taskType: z.string(), error: z.string(), attempts: z.int() }),
  maxRetries: 20,
})(async ({ taskId, taskType, error }, ctx) => {
  ctx.log.warn(`${taskType} ${taskId} failed for good: ${error}`)
})

const bookFlight = task('book_flight', { maxRetries: 0, onFailed: alert })(async () => {
  throw new Error('sold out')
})

const app = Fastify()
const tasks = [logIn, countRows, resizeImage, crop, rotate]
let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
  const { pool } = database
  await app.register(asyncTasks, { pool, tasks, routes: false, maxParamsBytes: 100, maxResultBytes: 10_000 })
  await app.ready()
})
afterAll(async () => {
  await app.close()
  await database.drop()
})

test('every example of the page is code of this file', () => {
  expect(examplesNotRunBy(import.meta.url, 'handlers.md')).toEqual([])
})

test('schemas of other libraries', async () => {
  const cropped = await app.tasks.createTask(crop, { width: 3 })
  expect(cropped.params).toEqual({ width: 3, height: 100 })
  expect((await app.tasks.waitFor(cropped.taskId, { task: crop })).result).toBe(300)
  const rotated = await app.tasks.createTask(rotate, { degrees: 450 })
  expect((await app.tasks.waitFor(rotated.taskId, { task: rotate })).result).toBe(90)
  // @ts-expect-error the compiler knows it, too
  await expect(app.tasks.createTask(rotate, { degrees: 'round' })).rejects.toMatchObject({
    code: 'INVALID_PARAMS',
    problems: [{ pointer: '/degrees', detail: expect.stringContaining('integer') }],
  })
  const types = new Map((await app.tasks.listTaskTypes()).map(({ taskType, params }) => [taskType, params]))
  expect(types.get('crop')).toMatchObject({ properties: { height: { default: 100 } }, required: ['width'] })
  expect(types.get('rotate')).toMatchObject({ properties: { degrees: { type: 'integer' } } })
})

test('retries, and attempts with their stacks', async () => {
  // Nothing runs here but what is drained: an executor of the app's own would be faster now and then.
  const app = Fastify()
  const { pool } = database
  await app.register(asyncTasks, { pool, tasks: [syncOrders, pollPartner], routes: false, executor: false })
  const { taskId } = await app.tasks.createTask(syncOrders)
  const [attempt] = await drainTasks(app)
  expect(attempt?.retryInMs).toBeGreaterThanOrEqual(400)
  expect(attempt?.retryInMs).toBeLessThanOrEqual(600)
  const task = await app.tasks.getTask(taskId)
  const [first] = task?.attempts ?? []
  expect(first).toMatchObject({ attempt: 1, outcome: 'failed', error: 'the shop is closed' })
  expect(first?.stack).toMatch(/^Error: the shop is closed\n +at /)
  await app.tasks.cancelTask(taskId)

  const partner = await app.tasks.createTask(pollPartner)
  expect(await drainTasks(app)).toMatchObject([{ taskId: partner.taskId, retryInMs: 1_000 }])
  await app.tasks.cancelTask(partner.taskId)
  await app.close()
})

test('secrets and sizes', async () => {
  const created = await app.tasks.createTask(logIn, { user: 'ada', password: 'hunter22' })
  expect(created.params).toEqual({ user: 'ada', password: '[redacted]' })
  await app.tasks.waitFor(created.taskId, { timeoutMs: 20_000 })
  const { logs } = await app.tasks.listLogs(created.taskId)
  expect(logs).toMatchObject([
    { message: 'trying [redacted]', data: { user: 'ada', password: '[redacted]' } },
  ])
  expect((await runTask(logIn, { user: 'ada', password: 'hunter22' })).logs[0]?.message).toBe(
    'trying hunter22',
  )

  await expect(app.tasks.createTask(logIn, { user: 'x'.repeat(100), password: 'y' })).rejects.toMatchObject({
    code: 'INVALID_PARAMS',
    problems: [{ pointer: '/user' }],
  })
})

test('events', async () => {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line) => lines.push(line) } } })
  const { pool } = database
  const hopeless = task('hopeless')(() => {
    throw new PermanentError('there is no shop')
  })
  await app.register(asyncTasks, { pool, tasks: [hopeless], routes: false })
  const removeListener = app.tasks.on('failed', ({ taskId, taskType, attempt, error }) => {
    app.log.error({ taskId, attempt }, `${taskType} failed for good: ${error}`)
  })
  app.tasks.on('failed', () => {
    throw new Error('the pager is broken')
  })
  await app.ready()
  const created = await app.tasks.createTasks([{ task: hopeless }, { task: hopeless }])
  for (const { taskId } of created) await app.tasks.waitFor(taskId, { timeoutMs: 20_000 })
  const readMessages = () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
  const findFailures = () =>
    readMessages().filter((msg) => msg === 'hopeless failed for good: there is no shop')
  // The rows may show the ends before this process has learned that it wrote them.
  await expect.poll(findFailures).toHaveLength(2)
  removeListener()
  const { taskId } = await app.tasks.createTask(hopeless)
  await app.tasks.waitFor(taskId, { timeoutMs: 20_000 })
  await app.close()
  expect(findFailures()).toHaveLength(2)
  const messages = readMessages()
  expect(messages.filter((msg) => msg === 'a listener of app.tasks.on() failed')).toHaveLength(1)
})

test('follow-ups', async () => {
  const app = Fastify()
  const { pool } = database
  await app.register(asyncTasks, { pool, tasks: [bookFlight, alert], routes: false, executor: false })
  const { taskId } = await app.tasks.createTask(bookFlight)
  const [failed, followUp] = await drainTasks(app)
  expect(failed).toMatchObject({ taskId, outcome: 'failed' })
  expect(followUp).toMatchObject({ taskType: 'alert', outcome: 'completed' })
  const { logs } = await app.tasks.listLogs(followUp?.taskId ?? '')
  expect(logs).toMatchObject([{ message: `book_flight ${taskId} failed for good: sold out` }])
  await app.close()
})

test('types', async () => {
  const typed = typedTasks(app.tasks, [countRows, logIn])
  const { taskId } = await typed.createTask('count_rows', { table: 'stocks' })
  // @ts-expect-error no such type
  await typed.createTask('count_row', { table: 'stocks' }).catch(() => {})
  const ended = await app.tasks.waitFor(taskId, { task: countRows })
  expect(ended.result?.rows).toBe(6)
})

test('threads', async () => {
  const params = { path: 'a.png', width: 2 }
  const { taskId } = await app.tasks.createTask(resizeImage, params)
  const { result } = await app.tasks.waitFor(taskId, { task: resizeImage })
  expect(result?.bytes).toBe(6)
  expect((await runTask(resizeImage, params)).result?.bytes).toBe(6)
})

test('logs and results', async () => {
  const run = await runTask(publish, {})
  expect(run.result).toEqual({ byCity: [['Oslo', 3]], tags: ['new'] })
  expect(run.logs.map(({ message }) => message)).toEqual([
    'started',
    'started',
    'not printed',
    'the printer is out of paper',
  ])
})
