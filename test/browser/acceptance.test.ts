import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { PageServer } from './admin-page.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const AWAY_MS = 10_000

let server: PageServer
let browser: WatchedBrowser
let page: Page

useAdminPage(
  {
    async prepare(server) {
      const { taskId } = await server.app.tasks.createTask('init_stocks', {})
      const { status } = await server.app.tasks.waitFor(taskId, { timeoutMs: 60_000 })
      expect(status).toBe('completed')
    },
  },
  (opened) => {
    ;({ server, browser, page } = opened)
  },
)

const badge = () => page.locator('.task-title .badge').textContent()
const barValue = async () =>
  Number(await page.getByRole('progressbar', { name: 'Progress' }).getAttribute('aria-valuenow'))
const countLines = () => page.locator('.log .line').count()

test('a task is created by the form, watched, cancelled, retried and completes, all without a reload', async () => {
  await page.evaluate('window.notReloaded = true')
  await page.getByRole('link', { name: 'New task' }).click()
  await page.getByLabel('Type', { exact: true }).selectOption('backfill_by_range')
  await page.getByLabel('startDate').fill('2025-01-01')
  await page.getByLabel('endDate').fill('2025-06-30')
  await page.getByRole('button', { name: 'Create task' }).click()

  await expect.poll(badge).toBe('Running')
  await expect.poll(barValue).toBeGreaterThan(0)
  const [first, firstLines] = [await barValue(), await countLines()]
  await expect.poll(barValue).toBeGreaterThan(first)
  await expect.poll(countLines).toBeGreaterThan(firstLines)

  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await expect.poll(badge).toMatch(/Cancelled|Stopping/)
  const retry = page.getByRole('button', { name: 'Retry', exact: true })
  await expect.poll(() => retry.isEnabled()).toBe(true)
  await retry.click()
  await expect.poll(badge).toBe('Completed')
  expect(await barValue()).toBe(100)
  await page.getByText('Attempt 2').filter({ visible: true }).first().waitFor()
  expect(await page.evaluate('window.notReloaded')).toBe(true)
})

test('fifty pending tasks are cancelled at once, after a question that names the number', async () => {
  const runAt = new Date(Date.now() + 3_600_000)
  const wanted = Array.from({ length: 50 }, () => ({ task: 'init_sectors', params: {}, runAt }))
  const made = await server.app.tasks.createTasks(wanted)
  await page.goto(`${server.origin}/admin/?status=pending`)
  await page.getByLabel('Select all on this page').check()
  await page.getByText('50 tasks selected').waitFor()
  // Nothing that is pending can be retried or deleted.
  const bar = page.getByRole('region', { name: 'Actions on the selected tasks' })
  const inert = await bar.locator('[aria-disabled=true]').allTextContents()
  expect(inert).toEqual(['Retry', 'Delete'])
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Cancel 50 tasks?' })
  await dialog.getByRole('button', { name: 'Cancel 50 tasks' }).click()
  await page.getByText('50 tasks cancelled').waitFor()
  await page.getByText('No pending tasks').waitFor()
  for (const { taskId } of made) {
    expect((await server.app.tasks.getTask(taskId))?.status).toBe('cancelled')
  }
})

test('what is filtered is in the URL, and the URL shows it to somebody else', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await page.getByRole('navigation', { name: 'Status' }).getByText('Cancelled').click()
  await page.getByLabel('Type', { exact: true }).selectOption('init_sectors')
  await page.getByLabel('Search', { exact: true }).fill('init_sectors')
  await page.waitForURL(/q=init_sectors/)
  const url = new URL(page.url())
  expect(Object.fromEntries(url.searchParams)).toEqual({
    status: 'cancelled',
    type: 'init_sectors',
    q: 'init_sectors',
  })
  await page.getByText('50 of 50').waitFor()

  const other = await browser.context.newPage()
  await other.goto(url.href)
  await other.getByText('50 of 50').waitFor()
  expect(await other.getByLabel('Search', { exact: true }).inputValue()).toBe('init_sectors')
  await other.close()
  await page.goBack()
})

test('a server that goes away is missed, and found again without a reload', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await page.getByRole('table').waitFor()
  await page.evaluate('window.notReloaded = true')
  await server.stop()
  const banner = page.getByText('No connection to the server')
  await banner.waitFor()
  await page.locator('.pill', { hasText: 'Unknown' }).waitFor()
  // What was shown stays.
  expect(await page.locator('tr[data-task]').count()).toBeGreaterThan(0)
  await new Promise((resolve) => setTimeout(resolve, AWAY_MS))
  await server.start()
  await page.getByText('Connected again').waitFor()
  expect(await banner.count()).toBe(0)
  const { taskId } = await server.app.tasks.createTask('init_stocks', {})
  await page.locator(`tr[data-task="${taskId}"]`).waitFor()
  expect(await page.evaluate('window.notReloaded')).toBe(true)

  // The browser logs by itself that the server stops (503) and that nobody responds; nothing else may be wrong.
  browser.forgive(/net::ERR_|status of 503/)
})
