import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
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
      if (request.headers.authorization === 'Bearer of a viewer') return { id: 'viewer', role: 'viewer' }
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

/** Controls that change something. */
async function countChanges(page: Page): Promise<number> {
  const name = /^(cancel|retry|delete|duplicate|change|pause|resume|new task|new schedule|run now|edit)\b/i
  const controls = page.getByRole('button', { name }).or(page.getByRole('link', { name }))
  return controls.or(page.locator('input[type=checkbox]:enabled')).count()
}

test('in an app of somebody else the page says whose log-in counts, and takes its token', async () => {
  const page = await browser.context.newPage()
  await page.goto(`${origin}/ops/tasks?view=types`)
  await page.getByRole('heading', { name: 'You are not logged in' }).waitFor()
  await page.getByRole('button', { name: 'I have logged in' }).click()
  await page.getByText('You are still not logged in').waitFor()
  await page.getByLabel('Access token').fill('of somebody else')
  await page.getByRole('button', { name: 'Use the token' }).click()
  await page.getByText('The server refused this token').waitFor()
  browser.forgive(/status of 401/)
  await page.getByLabel('Access token').fill('of the host')
  await page.getByRole('button', { name: 'Use the token' }).click()
  await page.getByRole('row', { name: /send_invoice/ }).waitFor()
  expect(await countChanges(page)).toBeGreaterThan(2)

  const { taskId } = await app.tasks.createTask('send_invoice', { invoice: 'F-6' })
  await page.getByRole('navigation').getByRole('link', { name: 'Tasks', exact: true }).click()
  await page.locator(`tr[data-task="${taskId}"]`, { hasText: 'Failed' }).waitFor()
  expect(browser.misdeeds).toEqual([])
})

test('a viewer is shown everything, and nothing to change it with', async () => {
  const { taskId } = await app.tasks.createTask('send_invoice', { invoice: 'A-1' }, { delayMs: 3_600_000 })
  await app.tasks.createSchedule({
    name: 'nightly',
    cron: '@daily',
    task: 'send_invoice',
    params: { invoice: 'A-2' },
  })
  // A tab of its own: it has no token from before.
  const page = await browser.context.newPage()
  const open = async (query: string) => page.goto(`${origin}/ops/tasks${query}`)

  await open('?view=tasks')
  await page.getByLabel('Access token').fill('of a viewer')
  await page.getByRole('button', { name: 'Use the token' }).click()
  await page.locator(`tr[data-task="${taskId}"]`).waitFor()
  browser.forgive(/status of 401/)
  await page.getByRole('link', { name: 'New task' }).waitFor({ state: 'hidden' })
  expect(await countChanges(page)).toBe(0)
  // Neither by a key.
  await page.locator(`tr[data-task="${taskId}"] .task-link`).focus()
  await page.keyboard.press('x')
  await page.keyboard.press('n')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Timeline' }).waitFor()
  expect(await countChanges(page)).toBe(0)

  await open('?view=types')
  await page.getByRole('row', { name: /send_invoice/ }).waitFor()
  await page.getByRole('link', { name: 'New task' }).first().waitFor({ state: 'hidden' })
  expect(await countChanges(page)).toBe(0)

  await open('?view=schedules')
  await page.getByRole('row', { name: /nightly/ }).waitFor()
  await page.getByRole('button', { name: 'New schedule' }).waitFor({ state: 'hidden' })
  expect(await countChanges(page)).toBe(0)

  // By a link of somebody who may.
  await open('?view=new&type=send_invoice')
  await page.getByRole('heading', { name: 'You may not create tasks' }).waitFor()
  expect(await countChanges(page)).toBe(0)
  expect(browser.misdeeds).toEqual([])
})
