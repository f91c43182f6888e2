import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { openBrowser, type WatchedBrowser } from './watched-browser.ts'

let database: TestDatabase
let app: FastifyInstance
let browser: WatchedBrowser
let origin: string

beforeAll(async () => {
  database = await createTestDatabase()
  app = Fastify()
  await app.register(asyncTasks, {
    connectionString: database.url,
    tasks: createDemoTasks(),
    prefix: '/internal/tasks-api',
    dashboard: { prefix: '/ops/tasks' },
    authorize: (request) => {
      if (request.headers.authorization === 'Bearer of the host') return { id: 'operator' }
      throw Object.assign(new Error('ask the host'), { statusCode: 401 })
    },
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  browser = await openBrowser(origin)
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
  await database?.drop()
})

test('in an app of somebody else the page says whose log-in counts, and takes its token', async () => {
  const page = await browser.context.newPage()
  await page.goto(`${origin}/ops/tasks?view=types`)
  await page.getByRole('heading', { name: 'You are not logged in' }).waitFor()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('You are still not logged in').waitFor()
  await page.getByLabel('Access token').fill('of somebody else')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('The server refused this token').waitFor()
  browser.forgive(/status of 401/)
  await page.getByLabel('Access token').fill('of the host')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('row', { name: /send_invoice/ }).waitFor()

  const { taskId } = await app.tasks.createTask('send_invoice', { invoice: 'F-6' })
  await page.getByRole('link', { name: 'Tasks', exact: true }).first().click()
  await page.locator(`tr[data-task="${taskId}"]`, { hasText: 'Failed' }).waitFor()
  expect(browser.misdeeds).toEqual([])
})
