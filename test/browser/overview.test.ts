import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { createDatabase } from '../../src/db/database.ts'
import { addEnd, addRun, addWait, noFigures } from '../../src/engine/definition/figures.ts'
import { addFigures } from '../../src/engine/store/figures.ts'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { findLayoutFaults } from './layout.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let server: PageServer
let browser: WatchedBrowser
let page: Page

/** In each of the last minutes, three of four failed. */
async function writePast(database: TestDatabase): Promise<void> {
  const figures = noFigures()
  for (let n = 0; n < 100; n += 1) {
    addEnd(figures, n % 4 === 0 ? 'completed' : 'failed')
    addWait(figures, 10)
    addRun(figures, 2_000)
  }
  const minutes = Array.from({ length: 40 }, (_, minute) => ({
    ageMs: minute * 60_000,
    taskType: 'send_invoice',
    figures,
  }))
  const { pool, prepared, schema } = database
  await addFigures(createDatabase(pool, { prepared, schema }), 0, minutes)
}

useAdminPage({ tasks: createDemoTasks(), prepare: (_server, database) => writePast(database) }, (opened) => {
  ;({ server, browser, page } = opened)
})

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const health = () => page.getByRole('region', { name: 'Health' })

test('the first page says without a click whether it is healthy, and if not, why', async () => {
  await visit('')
  await health().getByText('Not healthy').waitFor()
  await health()
    .getByText(/^\d+ of the \d+ tasks that ended in the last 5 minutes failed\.$/)
    .waitFor()
  expect(await page.title()).toBe('Overview')
  // The reason leads to its evidence.
  await health().getByRole('link', { name: 'send_invoice' }).click()
  const { searchParams } = new URL(page.url())
  expect([searchParams.get('view'), searchParams.get('type')]).toEqual(['errors', 'send_invoice'])
  // The header says it on every page, and leads back.
  await page.locator('.pill', { hasText: 'Tasks fail' }).click()
  await health().waitFor()
})

test('in Chinese, the reasons have the same numbers', async () => {
  await visit('')
  await page.getByRole('button', { name: '中文' }).click()
  const words = page.getByRole('region', { name: '健康状况' })
  await words.getByText(/^最近 5 分钟结束的 \d+ 个任务中，有 \d+ 个失败。$/).waitFor()
  await page.getByRole('button', { name: 'English' }).click()
})

test('how many handlers are stuck is as wide as its words', async () => {
  const isExecutors = (url: URL) => url.pathname.endsWith('/admin/executors')
  await page.route(isExecutors, async (route) => {
    const response = await route.fetch()
    const { executors } = (await response.json()) as { executors: object[] }
    const json = { executors: executors.map((one) => ({ ...one, stuck: ['task_1'] })) }
    await route.fulfill({ response, json })
  })
  for (const width of [1360, 390]) {
    await page.setViewportSize({ width, height: 860 })
    await visit('')
    await page.getByRole('link', { name: '1 stuck' }).waitFor()
    expect(await findLayoutFaults(page), `at ${width}`).toEqual([])
  }
  await page.setViewportSize({ width: 1360, height: 860 })
  await page.unrouteAll({ behavior: 'wait' })
})

test('the address of the server leads to the page, also below a path of a proxy', async () => {
  await page.goto(server.origin)
  await health().waitFor()
  expect(new URL(page.url()).pathname).toBe('/admin/')
  const response = await fetch(server.origin, { redirect: 'manual' })
  const location = response.headers.get('location') ?? ''
  expect([response.status, location]).toEqual([302, 'admin/'])
  expect(new URL(location, 'https://example.com/jobs/').pathname).toBe('/jobs/admin/')
  const { paths } = (await (await fetch(`${server.origin}/docs/json`)).json()) as { paths: object }
  expect(Object.keys(paths)).not.toContain('/')
})

test('a phone names the worst reason, too', async () => {
  await page.setViewportSize({ width: 390, height: 800 })
  await visit('?view=types')
  const isSeen = () =>
    page.locator('.pill-words', { hasText: 'Tasks fail' }).evaluate((words) => {
      const { left, top, width, height } = words.getBoundingClientRect()
      return document.elementFromPoint(left + width / 2, top + height / 2) === words
    })
  await expect.poll(isSeen).toBe(true)
  expect(await findLayoutFaults(page)).toEqual([])
  await page.setViewportSize({ width: 1360, height: 860 })
})

test('health is unknown while it cannot be read, not what it was before', async () => {
  await visit('')
  await health().getByText('Not healthy').waitFor()
  const isHealth = (url: URL) => url.pathname.endsWith('/admin/health')
  const problem = {
    type: 'about:blank',
    status: 429,
    title: 'Too many',
    code: 'TOO_MANY_REQUESTS',
    detail: '',
  }
  await page.route(isHealth, (route) => route.fulfill({ status: 429, json: problem }))
  await health().getByText('Unknown').waitFor()
  await page.locator('.pill', { hasText: 'Unknown' }).waitFor()
  await page.unroute(isHealth)
  await health().getByText('Not healthy').waitFor()
  browser.forgive(/status of 429/)
})

test('ends, waits and running times are shown for an hour, a day and a week, of all types or one', async () => {
  await visit('')
  const ended = page.locator('.chart-card', { hasText: 'Throughput' })
  const chart = ended.getByRole('img')
  expect(await chart.getAttribute('aria-label')).toBe('1,000 completed, 3,000 failed, 0 retried, 0 cancelled')
  await page.locator('.chart-card', { hasText: 'Running time' }).getByText('p99').waitFor()
  for (const range of ['24 h', '7 d']) {
    await page.getByRole('link', { name: range }).click()
    await expect.poll(() => new URL(page.url()).searchParams.get('range')).toBe(range.replace(' ', ''))
    await ended.getByText('3,000 failed').waitFor()
  }
  await page.getByLabel('Type').selectOption('every_kind')
  await ended.getByText('0 failed').waitFor()
  await page.getByText('No attempts in this time').first().waitFor()
})

test('hovering a bar shows its numbers, and a click the tasks that were created then', async () => {
  await visit('')
  const ended = page.locator('.chart-card', { hasText: 'Throughput' })
  const plot = ended.locator('.u-over')
  const { width, height } = (await plot.boundingBox()) ?? { width: 0, height: 0 }
  await plot.hover({ position: { x: width * 0.8, y: height / 2 } })
  await ended.getByText('25 completed').waitFor()
  await plot.click({ position: { x: width * 0.8, y: height / 2 } })
  await page.locator('.list-card').waitFor()
  const { searchParams } = new URL(page.url())
  const after = Date.parse(searchParams.get('after') ?? '')
  expect(Date.parse(searchParams.get('before') ?? '') - after).toBe(60_000)
  expect(Date.now() - after).toBeLessThan(3_600_000)
})

test('the charts are there as a table, newest first, whose rows lead to tasks', async () => {
  await visit('')
  await page.getByText('Show as a table').click()
  const rows = page.locator('.figures tbody tr')
  await expect.poll(() => rows.count()).toBe(40)
  await rows.nth(5).getByRole('link').focus()
  await page.keyboard.press('Enter')
  await page.locator('.list-card').waitFor()
})

test('what waits is counted by its cause, beside the slots in use', async () => {
  const { tasks } = server.app
  const later = await tasks.createTask('send_invoice', { invoice: 'later' }, { delayMs: 3_600_000 })
  await tasks.pauseTaskType('watch_inbox')
  const paused = await tasks.createTask('watch_inbox', {})
  await visit('')
  const waiting = page.locator('.tile', { hasText: 'Waiting for a slot' })
  await expect
    .poll(() => waiting.textContent())
    .toMatch(/^Waiting for a slot0.*1 task due later.*1 task of paused types/)
  await page
    .locator('.tile', { hasText: 'Slots in use' })
    .getByRole('link', { name: /^0\/\d+$/ })
    .waitFor()
  await tasks.resumeTaskType('watch_inbox')
  for (const { taskId } of [later, paused]) await tasks.cancelTask(taskId)
})
