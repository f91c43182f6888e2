import type { Page, Request } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let server: PageServer
let browser: WatchedBrowser
let page: Page
/** Open streams by window, and the most that each has had at once. */
const open = new Map<Page, Set<Request>>()
const most = new Map<Page, number>()

beforeAll(async () => {
  server = await PageServer.start(await createTestDatabase('server'), createDemoTasks())
  ;({ browser, page } = await openPage(server))
  await logIn(page)
  browser.context.pages().forEach(countStreams)
  browser.context.on('page', countStreams)
})
afterAll(async () => {
  await browser?.close()
  await server?.remove()
})

function countStreams(window: Page): void {
  const streams = new Set<Request>()
  open.set(window, streams)
  window.on('request', (request) => {
    if (!new URL(request.url()).pathname.endsWith('/events')) return
    streams.add(request)
    most.set(window, Math.max(most.get(window) ?? 0, streams.size))
  })
  window.on('requestfinished', (request) => streams.delete(request))
  window.on('requestfailed', (request) => streams.delete(request))
}

const streamsOf = (window: Page) => open.get(window)?.size ?? 0
const badge = (window: Page) => window.locator('.task-title .badge').textContent()

test('a window has one stream at a time, whatever it shows', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await page.getByRole('table').or(page.locator('.empty')).first().waitFor()
  await expect.poll(() => streamsOf(page)).toBe(1)
  const { taskId } = await server.app.tasks.createTask('watch_inbox', {})
  await page.locator(`tr[data-task="${taskId}"] .task-link`).click()
  await page.locator('.log .line').first().waitFor()
  await expect.poll(() => streamsOf(page)).toBe(1)
  await server.app.tasks.cancelTask(taskId)
  await expect.poll(() => badge(page)).toBe('Cancelled')
  // Another process retries it: the page of an ended task learns of it all the same.
  await expect.poll(() => streamsOf(page)).toBe(1)
  await server.app.tasks.waitFor(taskId)
  await server.app.tasks.retryTask(taskId)
  await expect.poll(() => badge(page)).toBe('Running')
  await page.goBack()
  await page.locator('tr[data-task]').first().waitFor()
  await expect.poll(() => streamsOf(page)).toBe(1)
  expect(most.get(page)).toBe(1)
  await server.app.tasks.cancelTask(taskId)
})

test('six visible windows with a running task each are served over HTTP/1.1, and stay up to date', async () => {
  const windows: Page[] = []
  for (let count = 0; count < 6; count += 1) {
    const { taskId } = await server.app.tasks.createTask(
      'send_invoice',
      { invoice: `S-${count}` },
      { delayMs: 3_600_000 },
    )
    const window = await browser.context.newPage()
    await window.goto(`${server.origin}/admin/?task=${taskId}`)
    await expect.poll(() => badge(window)).toBe('Due later')
    windows.push(window)
  }
  const streams = () => windows.reduce((sum, window) => sum + streamsOf(window), 0)
  expect(streams()).toBeLessThanOrEqual(4)
  for (const window of windows) {
    const taskId = new URL(window.url()).searchParams.get('task') ?? ''
    await server.app.tasks.cancelTask(taskId)
    await expect.poll(() => badge(window)).toBe('Cancelled')
  }
  expect([...most.values()].filter((count) => count > 1)).toEqual([])
  await Promise.all(windows.map((window) => window.close()))
})
