import type { Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { addUser, USER } from '../http/bundled-server.ts'
import type { TestDatabase } from '../support/database.ts'
import { rememberTypes } from '../support/remember-types.ts'
import { ADMIN, logIn, type PageServer } from './admin-page.ts'
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

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const button = (name: string) => page.getByRole('button', { name, exact: true })

/** Ends the session behind the back of the page, and logs in again when it has found out. */
async function loseSession(): Promise<void> {
  await browser.context.clearCookies()
  await page.getByLabel('Password').waitFor()
  await page.getByText('Your session has ended').waitFor()
  await logIn(page)
  browser.forgive(/status of 401/)
}

test('a half-filled form is there again after the session has ended', async () => {
  await visit('?view=new&type=every_kind')
  await page.getByLabel(/^name/).fill('half')
  await page.getByLabel(/^options/).fill('{"depth": ')
  await page.getByText('Options', { exact: true }).click()
  await page.getByLabel('Priority').fill('7')
  await loseSession()
  expect(await page.getByLabel(/^name/).inputValue()).toBe('half')
  expect(await page.getByLabel(/^options/).inputValue()).toBe('{"depth": ')
  expect(await page.getByLabel('Priority').inputValue()).toBe('7')

  await visit('?view=schedules')
  await button('New schedule').click()
  await page.getByRole('dialog').getByLabel('Name').fill('half_a_name')
  await loseSession()
  expect(await page.getByRole('dialog').getByLabel('Name').inputValue()).toBe('half_a_name')
  // Nothing of it is in a storage that outlasts the page.
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
  expect(stored).not.toMatch(/half/)
})

test('a form is shown to nobody else after a log-out', async () => {
  await visit('?view=new&type=every_kind')
  await page.getByLabel(/^name/).fill('mine')
  await button('Log out').click()
  await logIn(page)
  expect(await page.getByLabel(/^name/).inputValue()).toBe('')
})

test('a click beside a form loses nothing, and Escape asks', async () => {
  await visit('?view=schedules')
  await button('New schedule').click()
  const dialog = page.getByRole('dialog', { name: 'New schedule' })
  await dialog.getByLabel('Name').fill('kept')
  await page.mouse.click(5, 400)
  expect(await dialog.getByLabel('Name').inputValue()).toBe('kept')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog', { name: 'Discard what you have entered?' }).getByText('Go back').click()
  expect(await dialog.getByLabel('Name').inputValue()).toBe('kept')
  // A problem is that of the text that was sent.
  await dialog.getByLabel('Cron').fill('nonsense')
  await button('Create schedule').click()
  const problem = dialog.locator('.has-problem', { hasText: 'Cron' })
  await problem.waitFor()
  await dialog.getByLabel('Cron').fill('0 9 * * *')
  await problem.waitFor({ state: 'detached' })
  browser.forgive(/status of 400/)
  await page.keyboard.press('Escape')
  await button('Discard').click()
  await dialog.waitFor({ state: 'detached' })
})

test('Back leads to the same place of the list, and to the same row', async () => {
  const runAt = new Date(Date.now() + 3_600_000)
  await server.app.tasks.createTasks(
    Array.from({ length: 40 }, (_, at) => ({ task: 'send_invoice', params: { invoice: `L-${at}` }, runAt })),
  )
  await visit('?status=pending')
  const row = page.locator('tr[data-task]').nth(30)
  const taskId = await row.getAttribute('data-task')
  await row.scrollIntoViewIfNeeded()
  const before = await page.evaluate(() => scrollY)
  expect(before).toBeGreaterThan(500)
  await row.locator('.task-link').click()
  await page.locator('.timeline').waitFor()
  await page.goBack()
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.closest('tr')?.getAttribute('data-task')))
    .toBe(taskId)
  expect(Math.abs((await page.evaluate(() => scrollY)) - before)).toBeLessThan(150)
})

test('a long log opens at its end, and is searched to its beginning', async () => {
  const { taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'M-1' })
  await server.app.tasks.waitFor(taskId)
  await database.pool.query(
    `insert into async_task_logs (task_id, level, message, attempt)
     select $1, 'INFO', 'row ' || n || ':', 1 from generate_series(1, 1500) n`,
    [taskId],
  )
  await visit(`?task=${taskId}`)
  await page.locator('.line', { hasText: 'row 1500:' }).waitFor()
  const log = page.locator('.log')
  await expect
    .poll(() => log.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight))
    .toBeLessThan(30)
  expect(await button('Follow').count()).toBe(0)
  await page.getByLabel('Search in the log').fill('row 5:')
  await page.locator('.line', { hasText: 'row 5:' }).waitFor()
  await page.getByText('Searched 1,503 of 1,503 lines').waitFor()
})

test('the lines of a log, and those that join, do not wait for its count', async () => {
  const { taskId } = await server.app.tasks.createTask('watch_inbox', {})
  await database.pool.query(
    `insert into async_task_logs (task_id, level, message, attempt)
     select $1, 'INFO', 'row ' || n, 1 from generate_series(1, 300) n`,
    [taskId],
  )
  const counts: Route[] = []
  const isCount = (url: URL) => url.pathname.endsWith('/logs') && url.searchParams.get('total') !== 'false'
  await page.route(isCount, (route) => void counts.push(route))
  await visit(`?task=${taskId}`)
  await page.locator('.line', { hasText: 'row 300' }).waitFor()
  await server.app.tasks.logMessage(taskId, 'INFO', 'one more')
  await page.locator('.line', { hasText: 'one more' }).waitFor()
  await expect.poll(() => counts.length).toBe(1)
  await counts[0]?.continue()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  await page.getByText(/^6\d of 30\d lines/).waitFor()
  await server.app.tasks.cancelTask(taskId)
  await server.app.tasks.waitFor(taskId)
})

test('the count of lines goes on where more lines join than the page keeps', async () => {
  const { taskId } = await server.app.tasks.createTask('watch_inbox', {})
  await visit(`?task=${taskId}`)
  await page.locator('.log .line').first().waitFor()
  await database.pool.query(
    `insert into async_task_logs (task_id, level, message, attempt)
     select $1, 'INFO', 'row ' || n, 1 from generate_series(1, 5000) n`,
    [taskId],
  )
  await page.getByText('of 5,001 lines').waitFor()
  await server.app.tasks.cancelTask(taskId)
  await server.app.tasks.waitFor(taskId)
})

test('a task of a paused type says why it waits, and is not counted as waiting', async () => {
  const tile = page.locator('.tile', { hasText: 'Waiting' })
  await server.app.tasks.pauseTaskType('watch_inbox')
  const { taskId } = await server.app.tasks.createTask('watch_inbox', {})
  await visit('?view=tasks')
  await page.locator(`tr[data-task="${taskId}"]`).getByText('Its type is paused').waitFor()
  await visit('')
  // Where counting takes long, the server counts less often.
  await expect.poll(() => tile.textContent()).toMatch(/Nothing is due.*1 task of paused types/)
  await visit(`?task=${taskId}`)
  await page.getByText('starts after the type is resumed').waitFor()
  await server.app.tasks.resumeTaskType('watch_inbox')
  await server.app.tasks.cancelTask(taskId)
})

test('tasks of a type without an executor are not counted as waiting', async () => {
  await rememberTypes(database.pool, 'gone')
  const { taskId } = await server.app.tasks.createTask('gone', {})
  await visit('')
  const tile = page.locator('.tile', { hasText: 'Waiting' })
  await expect.poll(() => tile.textContent()).toMatch(/Nothing is due.*1 task without an executor/)
  await server.app.tasks.cancelTask(taskId)
})

test('after a bulk action under a filter one is led to the tasks that it changed', async () => {
  const { taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'N-1' })
  await server.app.tasks.waitFor(taskId)
  await visit('?status=failed')
  await page.getByLabel('Select all on this page').check()
  await button('Delete').click()
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /^Delete/ })
    .click()
  await page.locator('.empty', { hasText: 'No failed tasks' }).waitFor()
  await server.app.tasks.createTask('send_invoice', { invoice: 'N-2' }, { delayMs: 3_600_000 })
  await visit('?status=pending')
  await page.getByLabel('Select all on this page').check()
  await button('Cancel').click()
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /^Cancel \d/ })
    .click()
  await page.locator('.empty', { hasText: 'No pending tasks' }).getByText('Show these tasks').click()
  await page.waitForURL(/ids=/)
  await page.locator('tr[data-task]').first().waitFor()
})

test('the page names another user who created a task, and the executor of each attempt', async () => {
  await addUser(database, USER, 'user')
  const createdBy = `id-of-${USER.username}`
  const { taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'R-1' }, { createdBy })
  await server.app.tasks.waitFor(taskId)
  await visit(`?task=${taskId}`)
  await page.locator('.facts').getByText(USER.username, { exact: true }).waitFor()
  await page.locator('.moment-failed .moment-executor', { hasText: `· ${process.pid}` }).waitFor()
})

test('the page names who created a task, that somebody retried it, and why a schedule made none', async () => {
  await visit('?view=new&type=send_invoice')
  await page.getByLabel(/^invoice/).fill('O-1')
  await button('Create task').click()
  await page.locator('.task-title .badge', { hasText: 'Failed' }).waitFor()
  await expect.poll(() => page.locator('.facts', { hasText: 'admin' }).count()).toBe(1)
  await button('Retry').click()
  await page
    .locator('.moment-change', { hasText: 'Task retried' })
    .getByText(`by ${ADMIN.username}`)
    .waitFor()
  await server.app.tasks.createSchedule({
    name: 'broken',
    cron: '0 0 1 1 *',
    task: 'send_invoice',
    params: { invoice: 'P' },
  })
  await database.pool.query(
    `update async_task_schedules set last_error = 'params are invalid' where name = 'broken'`,
  )
  await visit('?view=schedules')
  await page
    .getByRole('row', { name: /broken/ })
    .getByText('The last run made no task: params are invalid')
    .waitFor()
})
