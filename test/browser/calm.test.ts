import type { Page } from 'playwright-core'
import { beforeEach, expect, test } from 'vitest'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { findLayoutFaults } from './layout.ts'
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
const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true })
const rows = () => page.locator('tr[data-task]')
const shown = () => rows().evaluateAll((all) => all.map((row) => (row as HTMLElement).dataset.task ?? ''))
const inAnHour = () => new Date(Date.now() + 3_600_000)
/** Where nothing reacts to it. */
const leave = () => page.mouse.move(2, 300)
const blur = () => page.evaluate(() => (document.activeElement as HTMLElement).blur())

async function create(count: number): Promise<string[]> {
  const runAt = inAnHour()
  const made = await server.app.tasks.createTasks(
    Array.from({ length: count }, (_, n) => ({ task: 'send_invoice', params: { invoice: `C-${n}` }, runAt })),
  )
  return made.map(({ taskId }) => taskId).reverse()
}

beforeEach(async () => {
  // A task that is shown while it is deleted would be asked for in vain.
  await page.goto('about:blank')
  await leave()
  await server.app.tasks.bulk({ action: 'cancel', filter: {} })
  await server.app.tasks.bulk({ action: 'delete', filter: {} })
})

test('no row moves under the pointer: a bar says how many are new, and shows them', async () => {
  const before = await create(3)
  await visit('?status=pending')
  await rows().nth(1).hover()
  const news = await create(2)
  await button('2 new').waitFor()
  expect(await shown()).toEqual(before)
  // What is known of the shown tasks goes on.
  await server.app.tasks.cancelTask(before[2] ?? '')
  await page.locator(`tr[data-task="${before[2]}"]`, { hasText: 'Cancelled' }).waitFor()
  await button('2 new').click()
  await expect.poll(shown).toEqual([...news, ...before.slice(0, 2)])
  await button('2 new').waitFor({ state: 'detached' })

  const [last] = await create(1)
  await button('1 new').waitFor()
  await leave()
  await blur()
  await expect.poll(async () => (await shown())[0]).toBe(last)
})

test('no row moves while the keyboard is in the list, and a key shows what is new', async () => {
  const before = await create(2)
  await visit('?status=pending')
  await rows().first().waitFor()
  await page.keyboard.press('j')
  const [news] = await create(1)
  await button('1 new').waitFor()
  expect(await shown()).toEqual(before)
  await page.keyboard.press('.')
  await expect.poll(shown).toEqual([news, ...before])
  const focused = () => document.activeElement?.closest('tr')?.getAttribute('data-task')
  await expect.poll(() => page.evaluate(focused)).toBe(news)
})

test('no row moves while the page is scrolled; at its top the list is as it is', async () => {
  const before = await create(45)
  await visit('?status=pending')
  await expect.poll(() => rows().count()).toBe(45)
  await page.evaluate('scrollTo(0, 400)')
  const [news] = await create(1)
  await button('1 new').waitFor()
  expect(await shown()).toEqual(before)
  await page.evaluate('scrollTo(0, 0)')
  await expect.poll(async () => (await shown())[0]).toBe(news)
})

test('a selected task stays marked and in sight, though it is no longer in the list', async () => {
  const [first = '', second = ''] = await create(2)
  await visit('?status=pending')
  const row = page.locator(`tr[data-task="${first}"]`)
  await row.getByRole('checkbox').check()
  await leave()
  await server.app.tasks.cancelTask(first)
  await row.getByText('Cancelled').waitFor()
  const [news] = await create(1)
  await button('1 new').click()
  await expect.poll(shown).toEqual([news, second, first])
  expect(await row.getByRole('checkbox').isChecked()).toBe(true)
  await page.getByText('1 task selected').waitFor()
  await leave()
  await page.keyboard.press('Escape')
  await blur()
  await row.waitFor({ state: 'detached' })
  expect(await page.getByText('1 task selected').count()).toBe(0)
})

test('a cancel of pending tasks is taken back: they are due when they were', async () => {
  const [taskId = ''] = await create(2)
  const runAt = (await server.app.tasks.getTask(taskId))?.runAt
  await visit('?status=pending')
  await page.getByLabel('Select all on this page').check()
  await button('Cancel').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel 2 tasks' }).click()
  await page.getByText('2 tasks cancelled').waitFor()
  await button('Undo').click()
  await page.getByText('2 tasks pending again, as before the cancel').waitFor()
  expect(await server.app.tasks.getTask(taskId)).toMatchObject({ status: 'pending', runAt })
  await expect.poll(() => rows().count()).toBe(2)

  await visit(`?task=${taskId}`)
  await page.locator('.timeline').waitFor()
  await page.keyboard.press('c')
  await button('Undo').waitFor()
  await page.keyboard.press('u')
  await page.locator('.task-title .badge', { hasText: 'Due later' }).waitFor()
  expect(await server.app.tasks.getTask(taskId)).toMatchObject({ status: 'pending', runAt })
})

async function cancelRows(...taskIds: readonly string[]): Promise<void> {
  for (const taskId of taskIds) await page.locator(`tr[data-task="${taskId}"] input`).check()
  await button('Cancel').click()
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /^Cancel \d/ })
    .click()
  await page.locator('.bulk').waitFor({ state: 'detached' })
}

test('a row that stays says that its task was deleted, and what became of it while the server was away', async () => {
  const { tasks } = server.app
  const [pending = '', deleted = ''] = await create(2)
  await visit('?status=pending')
  await rows().nth(1).hover()
  await tasks.cancelTask(deleted)
  await tasks.deleteTask(deleted)
  const row = (taskId: string) => page.locator(`tr[data-task="${taskId}"]`)
  await row(deleted).getByText('Deleted').waitFor()
  expect(await shown()).toEqual([pending, deleted])

  await server.stop()
  await page.getByText('No connection to the server').waitFor()
  await database.pool.query(
    `update async_tasks set status = 'cancelled', cancelled_at = now() where task_id = $1`,
    [pending],
  )
  await server.start()
  await row(pending).getByText('Cancelled').waitFor()
  expect(await shown()).toEqual([pending, deleted])
  browser.forgive(/ERR_|status of 50/)
})

test('the key takes back the latest of several cancels', async () => {
  const [last = '', second = '', first = ''] = await create(3)
  await visit('?view=tasks')
  await cancelRows(first, second)
  await cancelRows(last)
  await page.keyboard.press('u')
  await page.getByText('1 task pending again').waitFor()
  const read = await Promise.all([first, second, last].map((one) => server.app.tasks.getTask(one)))
  expect(read.map((task) => task?.status)).toEqual(['cancelled', 'cancelled', 'pending'])
})

test('each of several cancels has its undo', async () => {
  const [last = '', first = ''] = await create(2)
  await visit('?view=tasks')
  await cancelRows(first)
  await cancelRows(last)
  await expect.poll(() => button('Undo').count()).toBe(2)
})

test('why an action leaves tasks as they were is told in words, and so is a server that does not respond', async () => {
  const { tasks } = server.app
  const { taskId: ended } = await tasks.createTask('send_invoice', { invoice: 'W-1' })
  await tasks.waitFor(ended)
  const [pending = ''] = await create(1)
  await visit('?view=tasks')
  for (const taskId of [ended, pending]) await page.locator(`tr[data-task="${taskId}"] input`).check()
  await button('Cancel').click()
  const dialog = page.getByRole('dialog', { name: 'Cancel 1 task?' })
  await dialog.getByText('1 left as they were: The task has ended already').waitFor()
  await page.route('**/tasks/bulk', (route) => route.abort())
  await dialog.getByRole('button', { name: 'Cancel 1 task' }).click()
  await page.locator('.toast', { hasText: /^No response from the server$/ }).waitFor()
  await page.unroute('**/tasks/bulk')
  browser.forgive(/net::ERR_FAILED/)
})

test('a handler that was told to stop does not go on, so its cancel has no undo', async () => {
  const { taskId } = await server.app.tasks.createTask('watch_inbox', {})
  await visit('?status=running')
  await page.locator(`tr[data-task="${taskId}"] input`).check()
  await button('Cancel').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel 1 task' }).click()
  await page.getByText('1 task cancelled').waitFor()
  expect(await button('Undo').count()).toBe(0)
})

test('after a bulk action one follows exactly the tasks that it changed', async () => {
  const { tasks } = server.app
  const failed = await Promise.all(
    [1, 2].map(async (n) => (await tasks.createTask('send_invoice', { invoice: `F-${n}` })).taskId),
  )
  for (const taskId of failed) await tasks.waitFor(taskId)
  const others = await create(1)
  await visit('?status=failed')
  await page.getByLabel('Select all on this page').check()
  await button('Retry').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Retry 2 tasks' }).click()
  await page.getByRole('link', { name: '2 tasks pending again' }).click()
  await page.getByText('2 tasks of one action').waitFor()
  await expect.poll(async () => (await shown()).sort()).toEqual([...failed].sort())
  // They end while one looks, and the address says the same to somebody else.
  await expect.poll(() => page.locator('tr[data-task] .badge-failed').count()).toBe(2)
  await page.reload()
  await expect.poll(async () => (await shown()).sort()).toEqual([...failed].sort())
  await button('Show other tasks, too').click()
  await page.locator(`tr[data-task="${others[0]}"]`).waitFor()
})

test('nothing is cut off at any width, with new tasks, a selection and an offer to undo', async () => {
  await create(3)
  await visit('?status=pending')
  await rows().first().getByRole('checkbox').check()
  await button('Cancel').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel 1 task' }).click()
  await button('Undo').waitFor()
  await rows().first().getByRole('checkbox').check()
  await create(1)
  await button('1 new').waitFor()
  for (const width of [390, 768, 1440, 1920]) {
    await page.setViewportSize({ width, height: 900 })
    await expect.poll(() => findLayoutFaults(page), { message: `at ${width}` }).toEqual([])
  }
})
