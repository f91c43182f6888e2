import diagnostics from 'node:diagnostics_channel'
import Fastify, { type FastifyInstance } from 'fastify'
import { register } from 'prom-client'
import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { registerMetrics } from '../../src/http/register-metrics.ts'
import type { DiagnosticsMessages } from '../../src/index.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const registry = createTaskRegistry()
const { task } = registry
const hello = task('hello')(() => 'world')
const tasks = [hello]
const authorize = () => ({ id: 'ada' })

let connectionString: string
let app: FastifyInstance

beforeAll(async () => {
  const database = await createTestDatabase()
  connectionString = database.directUrl
  return () => database.drop()
})
beforeEach(() => {
  app = Fastify({ pluginTimeout: 0 })
  return () => app.close()
})

test('every example of docs/operations.md is run here', () => {
  expect(examplesNotRunBy(import.meta.url, 'operations.md', ['ts', 'js'])).toEqual([])
})

test('metrics in a registry of prom-client', async () => {
  onTestFinished(() => register.clear())
  await app.register(asyncTasks, { connectionString, tasks, authorize })
  registerMetrics(app, register)
  app.get('/metrics', async (_request, reply) =>
    reply.type(register.contentType).send(await register.metrics()),
  )
  await app.ready()
  const { body, headers } = await app.inject('/metrics')
  expect(headers['content-type']).toBe(register.contentType)
  expect(body).toMatch(/^async_tasks_\w+/m)
})

type AttemptEnd = DiagnosticsMessages['fastify-async-tasks:attempt:end']

/** As that of Node, until the test has finished. */
function subscribe(name: keyof DiagnosticsMessages, listener: (message: AttemptEnd) => void): void {
  const untyped = listener as (message: unknown) => void
  diagnostics.subscribe(name, untyped)
  onTestFinished(() => void diagnostics.unsubscribe(name, untyped))
}

test('a traced attempt, on its diagnostics channel', async () => {
  const said = vi.spyOn(console, 'log').mockImplementation(() => {})
  onTestFinished(() => said.mockRestore())
  subscribe('fastify-async-tasks:attempt:end', ({ taskType, outcome, durationMs }) => {
    console.log(`${taskType} ${outcome} after ${Math.round(durationMs)} ms`)
  })
  await app.register(asyncTasks, { connectionString, tasks, authorize, trace: true })
  await app.ready()
  const { taskId } = await app.tasks.createTask(hello)
  await app.tasks.waitFor(taskId)
  await expect
    .poll(() => said.mock.lastCall)
    .toEqual([expect.stringMatching(/^hello completed after \d+ ms$/)])
})

test('retention by type', () => {
  task('import_feed', { retentionDays: 7 })(async () => {})
  task('close_of_books', { retentionDays: 36_500 })(async () => {})
  const kept = [...registry.definitions()].map(([type, { options }]) => [type, options.retentionDays])
  expect(kept).toEqual([
    ['hello', undefined],
    ['import_feed', 7],
    ['close_of_books', 36_500],
  ])
})
