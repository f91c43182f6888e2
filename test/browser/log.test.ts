import type { Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let database: TestDatabase
let server: PageServer
let browser: WatchedBrowser
let page: Page

useAdminPage({ tasks: createDemoTasks() }, (opened) => {
  ;({ database, server, browser, page } = opened)
})

const line = (words: string) => page.locator('.line', { hasText: words })
const button = (name: string) => page.getByRole('button', { name, exact: true })
const searchField = () => page.getByLabel('Search in the log')
const isSearch = (url: URL) => url.pathname.endsWith('/logs') && url.searchParams.has('q')

async function addRows(taskId: string, count: number): Promise<void> {
  await database.pool.query(
    `insert into async_task_logs (task_id, level, message, attempt)
     select $1, 'INFO', 'row ' || n || ':', 1 from generate_series(1, $2::int) n`,
    [taskId, count],
  )
}

/** The page of a task that has ended, whose log is longer than what is shown at once. */
async function openEnded(): Promise<void> {
  const { taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'M-1' })
  await server.app.tasks.waitFor(taskId)
  await addRows(taskId, 1_500)
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await line('row 1500:').waitFor()
}

test('lines of a level stay, however many of other levels join', async () => {
  const { tasks } = server.app
  const { taskId } = await tasks.createTask('watch_inbox', {})
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await line('listening').waitFor()
  await page.getByLabel('Level', { exact: true }).selectOption('ERROR')
  await page.getByText('No line matches').waitFor()
  await tasks.logMessage(taskId, 'ERROR', 'the first error')
  await line('the first error').waitFor()
  await addRows(taskId, 3_000)
  await tasks.logMessage(taskId, 'ERROR', 'the second error')
  await line('the second error').waitFor()
  expect(await line('the first error').count()).toBe(1)
  await page.getByLabel('Level', { exact: true }).selectOption('All levels')
  await line('row 3000:').waitFor()
  await tasks.cancelTask(taskId)
  await tasks.waitFor(taskId)
})

test('a level without lines is not called an empty log, and leaves the download', async () => {
  await openEnded()
  await page.getByLabel('Level', { exact: true }).selectOption('DEBUG')
  await page.getByText('No line matches').waitFor()
  expect(await button('Download').isEnabled()).toBe(true)
})

test('a search that fails does not claim to have seen the log, and is gone on with', async () => {
  await openEnded()
  const problem = { type: 'about:blank', status: 500, title: 'Internal', code: 'INTERNAL', detail: 'broken' }
  await page.route(isSearch, (route) => route.fulfill({ status: 500, json: problem }))
  await searchField().fill('row 5:')
  await button('Search on').waitFor()
  expect(await page.getByText('No line matches').count()).toBe(0)
  await page.unroute(isSearch)
  await button('Search on').click()
  await line('row 5:').waitFor()
  await page.getByText('Searched 1,503 of 1,503 lines').waitFor()
  browser.forgive(/status of 500/)
})

test('a search that gives way to another one leaves no error', async () => {
  await openEnded()
  const held: Route[] = []
  await page.route(isSearch, (route) => void held.push(route), { times: 1 })
  await searchField().fill('row')
  await expect.poll(() => held.length).toBe(1)
  await searchField().fill('row 5:')
  await line('row 5:').waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  expect(browser.misdeeds).toEqual([])
})

test('a jump in the log leaves the search', async () => {
  await openEnded()
  await searchField().fill('row 5:')
  await line('row 5:').waitFor()
  await page.getByText('Jump', { exact: true }).click()
  await button('Start').click()
  await line('row 1:').waitFor()
  expect(await searchField().inputValue()).toBe('')
})

test('a line that was found is among its neighbours when the search is cleared', async () => {
  await openEnded()
  await searchField().fill('row 5:')
  await line('row 5:').getByRole('link').click()
  await page.locator('.line.is-marked', { hasText: 'row 5:' }).waitFor()
  await searchField().fill('')
  await line('row 6:').waitFor()
  const isInSight = () =>
    page.locator('.line.is-marked').evaluate((line) => {
      const [at, box] = [line, line.closest('.log')].map((one) => one?.getBoundingClientRect())
      return at !== undefined && box !== undefined && at.top > box.top - 1 && at.bottom < box.bottom + 1
    })
  await expect.poll(isInSight).toBe(true)
})
