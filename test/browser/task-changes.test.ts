import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Asker } from '../../src/http/authorize.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase } from '../support/database.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { openBrowser, type WatchedBrowser } from './watched-browser.ts'

const ADA = { id: 'u-ada', name: 'Ada <b>L</b>' }
const BOB = { id: 'u-bob' }
const CALLERS: Record<string, Asker> = {
  'Bearer admin': { id: 'u-olga', name: 'Olga' },
  'Bearer viewer': { id: 'u-vera', role: 'viewer' },
  'Bearer nosy': { id: 'u-nosy' },
  'Bearer owner': { id: 'u-own', role: 'owner' },
}

let app: FastifyInstance
let origin: string

beforeAll(async () => {
  const database = await createTestDatabase()
  app = Fastify({ pluginTimeout: 0 })
  await app.register(asyncTasks, {
    connectionString: database.url,
    tasks: createDemoTasks(),
    dashboard: true,
    authorize: ({ headers, routeOptions }) => {
      const caller = CALLERS[headers.authorization ?? '']
      const isRefused = caller?.id === 'u-nosy' && routeOptions.url?.endsWith('/audit')
      if (isRefused) throw Object.assign(new Error('the audit is not for you'), { statusCode: 403 })
      return caller
    },
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  return async () => {
    await app.close()
    await database.drop()
  }
})

async function openAs(
  token: string,
  taskId: string,
  options?: BrowserContextOptions,
): Promise<{ page: Page; browser: WatchedBrowser }> {
  const browser = await openBrowser(origin, options)
  onTestFinished(() => browser.close())
  const page = await browser.context.newPage()
  // As after a log-in in this tab.
  await page.addInitScript(`sessionStorage.setItem('tasks.token', '${token}')`)
  await page.goto(`${origin}/admin/?task=${taskId}`)
  await page.locator('.timeline').waitFor()
  return { page, browser }
}

/** The title of each moment, and who is named in it. */
const moments = (page: Page) =>
  page.locator('.timeline .moment').evaluateAll((all) =>
    all.map((one) =>
      [one.querySelector('.moment-title'), one.querySelector('.moment-details .foreign')]
        .map((part) => part?.textContent ?? '')
        .join(' ')
        .trim(),
    ),
  )

async function createRetried(): Promise<string> {
  const { taskId } = await app.tasks.createTask('send_invoice', { invoice: 'C-1' }, { actor: ADA })
  await app.tasks.waitFor(taskId)
  await app.tasks.retryTask(taskId, { actor: BOB })
  await app.tasks.waitFor(taskId)
  return taskId
}

test('the timeline tells who created and retried a task, and when, in English and in Chinese', async () => {
  const taskId = await createRetried()
  const { page, browser } = await openAs('admin', taskId)
  await expect
    .poll(() => moments(page))
    .toEqual(['Created by Ada <b>L</b>', 'Attempt 1', 'Task retried by u-bob', 'Attempt 2', 'Failed'])
  const { entries } = await app.tasks.listAudit({ subject: taskId, action: 'task.retry' })
  const time = page.locator('.moment-change time')
  expect(await time.getAttribute('datetime')).toBe(entries[0]?.at.toISOString())
  // The entry tells it better than the guess.
  expect(await page.getByText('retried by hand').count()).toBe(0)
  expect(browser.misdeeds).toEqual([])

  const chinese = (await openAs('viewer', taskId, { locale: 'zh-CN' })).page
  await expect
    .poll(() => moments(chinese))
    .toEqual(['已创建 操作者：Ada <b>L</b>', '第 1 次尝试', '重试任务 操作者：u-bob', '第 2 次尝试', '失败'])
})

test('what people do while one looks is there at once; what was refused is not', async () => {
  const { taskId } = await app.tasks.createTask('watch_inbox', {}, { delayMs: 3_600_000, actor: ADA })
  const { page, browser } = await openAs('admin', taskId)
  await app.tasks.deleteTask(taskId, { actor: BOB }).catch(() => {})
  await app.tasks.updateTask(taskId, { priority: 7 }, { actor: BOB })
  await page.locator('.moment-change', { hasText: 'by u-bob' }).waitFor()
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await expect
    .poll(() => moments(page))
    .toEqual(['Created by Ada <b>L</b>', 'Task changed by u-bob', 'Task cancelled by Olga', 'Cancelled'])
  await app.tasks.retryTask(taskId, { actor: BOB })
  await page.locator('.moment-change', { hasText: 'Task retried' }).waitFor()
  expect(browser.misdeeds).toEqual([])
})

test('who may not read the audit sees the rest, and no error', async () => {
  const taskId = await createRetried()
  const { page, browser } = await openAs('nosy', taskId)
  const refused = page.waitForResponse((response) => response.url().includes('/audit'))
  await page.reload()
  expect((await refused).status()).toBe(403)
  await page.getByText(/retried by hand .* later/).waitFor()
  expect(await moments(page)).toEqual(['Created', 'Attempt 1', 'Attempt 2', 'Failed'])
  expect(await page.getByText('Something went wrong').count()).toBe(0)
  expect(await page.locator('.toast').count()).toBe(0)
  browser.forgive(/status of 403 .*\/audit/)
  expect(browser.misdeeds).toEqual([])
})

test("an owner's page does not ask for the audit", async () => {
  const created = await app.tasks.createTask('send_invoice', { invoice: 'C-2' }, { createdBy: 'u-own' })
  await app.tasks.waitFor(created.taskId)
  const { page, browser } = await openAs('owner', created.taskId)
  const asked: string[] = []
  page.on('request', (request) => request.url().includes('/audit') && asked.push(request.url()))
  const answered = page.waitForResponse((response) => response.url().endsWith('/me'))
  await page.reload()
  await answered
  await page.locator('.moment-failed').first().waitFor()
  expect(await moments(page)).toEqual(['Created', 'Attempt 1', 'Failed'])
  // What it may not read besides is another matter.
  browser.forgive(/status of 403/)
  expect(asked).toEqual([])
  expect(browser.misdeeds).toEqual([])
})
