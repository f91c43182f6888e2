import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { logIn, openPage, type PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { findLayoutFaults } from './layout.ts'
import { useAdminPage } from './use-admin-page.ts'

const { task } = createTaskRegistry()
const params = z.object({ amount: z.number(), password: z.string(), card: z.object({ number: z.string() }) })
const pay = task('pay_card', { params, redact: ['password'] })(() => null)
const find = task('find_rows')(() => [])

let server: PageServer
let page: Page
const PER_PAGE = 50

useAdminPage(
  {
    tasks: [...createDemoTasks(), pay, find],
    async prepare({ app: { tasks } }) {
      const runAt = new Date(Date.now() + 3_600_000)
      await tasks.createTasks(
        Array.from({ length: PER_PAGE + 2 }, (_, n) => ({
          task: 'send_invoice',
          params: { invoice: `INV-${n}` },
          runAt,
        })),
      )
    },
  },
  (opened) => {
    ;({ server, page } = opened)
  },
)

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const rows = () => page.locator('tr[data-task]')
const press = async (...keys: string[]) => {
  for (const key of keys) await page.keyboard.press(key)
}

test('a row is one line with the first params, and hides what is secret', async () => {
  const { tasks } = server.app
  const secret = { amount: 3, password: 'sesame', card: { number: '4111' } }
  const { taskId } = await tasks.createTask(pay, secret)
  await tasks.waitFor(taskId)
  const failed = await tasks.createTask('send_invoice', { invoice: 'x'.repeat(500) })
  await tasks.waitFor(failed.taskId)
  await visit('?view=tasks')
  await page.locator(`tr[data-task="${failed.taskId}"]`, { hasText: 'has no address' }).waitFor()
  const row = page.locator(`tr[data-task="${taskId}"]`)
  await row.getByText('amount: 3, password: [redacted], card: {…}').waitFor()
  const heights = await rows().evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height))
  expect(Math.max(...heights)).toBeLessThanOrEqual(37)
})

test('an empty list that a handler returned is a result', async () => {
  const { taskId } = await server.app.tasks.createTask(find)
  await server.app.tasks.waitFor(taskId)
  await visit(`?task=${taskId}`)
  const cardOf = (name: string) =>
    page.locator('.card').filter({ has: page.getByRole('heading', { name, exact: true }) })
  await cardOf('Result').getByText('[]', { exact: true }).waitFor()
  await cardOf('Params').getByText('No params').waitFor()
})

test('all of the list is done by keys', async () => {
  await visit('?status=pending')
  await rows().first().waitFor()
  await press('l')
  await expect.poll(() => rows().count()).toBe(2)
  await press('a')
  await page.getByText('2 tasks selected').waitFor()
  await press('Escape')
  await expect.poll(() => page.getByText('2 tasks selected').count()).toBe(0)
  await press('h')
  await expect.poll(() => rows().count()).toBe(PER_PAGE)
  // Without a selection, an action is for the task that has the focus.
  await press('j', 'j', 'c')
  const dialog = page.getByRole('dialog', { name: 'Cancel 1 task?' })
  await dialog.waitFor()
  await press('Tab', 'Enter')
  await page.getByText('1 task cancelled').waitFor()
  await press('u')
  await page.getByText('1 task pending again, as before the cancel').waitFor()
  await press('?')
  const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await help.getByText('Select all on this page').waitFor()
  await press('Escape')
})

test('a filter that is changed on a later page has no newer page', async () => {
  await visit('?status=pending')
  const newer = page.getByRole('button', { name: 'Newer', exact: true })
  await rows().first().waitFor()
  await press('l')
  await expect.poll(() => newer.isEnabled()).toBe(true)
  await page.getByLabel('Type', { exact: true }).selectOption('send_invoice')
  await expect.poll(() => rows().count()).toBe(PER_PAGE)
  expect(await newer.isEnabled()).toBe(false)
  await press('l')
  await expect.poll(() => newer.isEnabled()).toBe(true)
})

test('the commands lead to pages, types, actions and tasks', async () => {
  const { tasks } = await server.app.tasks.listTasks({ status: ['pending'], pageSize: 1 })
  const taskId = tasks[0]?.taskId ?? ''
  await visit('')
  await page.getByRole('button', { name: 'Commands' }).waitFor()
  const palette = page.getByRole('dialog', { name: 'Commands' })
  const choose = async (words: string) => {
    await press('ControlOrMeta+k')
    await palette.getByRole('combobox').waitFor()
    await page.keyboard.type(words)
    await press('Enter')
    await palette.waitFor({ state: 'detached' })
  }
  await choose('schedules')
  await page.getByRole('heading', { level: 1, name: 'Schedules' }).waitFor()
  await choose('watch_inb')
  await page.getByRole('heading', { level: 1, name: 'watch_inbox' }).waitFor()
  await choose(taskId)
  await page.getByRole('heading', { level: 1, name: 'send_invoice' }).waitFor()
  expect(new URL(page.url()).searchParams.get('task')).toBe(taskId)
  // A button of the page.
  await choose('Cancel')
  await page.locator('.task-title .badge', { hasText: 'Cancelled' }).waitFor()
  await choose('invoice:INV-7')
  await expect.poll(() => new URL(page.url()).searchParams.get('param')).toBe('invoice:INV-7')
  // In a field, too, and from the foot of the page.
  await page.getByLabel('Search').focus()
  await press('ControlOrMeta+k')
  await palette.waitFor()
  await press('Escape')
  await palette.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Commands' }).click()
  await palette.waitFor()
  for (const width of [390, 768, 1440, 1920]) {
    await page.setViewportSize({ width, height: 900 })
    expect(await findLayoutFaults(page), `at ${width}`).toEqual([])
  }
  await press('Escape')
})

test('what is chosen in one window holds in the others', async () => {
  await visit('?view=types')
  const other = await page.context().newPage()
  onTestFinished(() => other.close())
  await other.goto(`${server.origin}/admin/?view=types`)
  await other.getByRole('heading', { level: 1, name: 'Task types' }).waitFor()
  const dark = () => other.evaluate(() => document.documentElement.dataset.theme)
  await page.getByRole('button', { name: 'Theme: as the system' }).click()
  await page.getByRole('button', { name: 'Theme: light' }).click()
  await expect.poll(dark).toBe('dark')
  await page.getByRole('button', { name: '中文' }).click()
  await other.getByRole('heading', { level: 1, name: '任务类型' }).waitFor()
  await page.getByRole('button', { name: 'English' }).click()
  await other.getByRole('heading', { level: 1, name: 'Task types' }).waitFor()
  await page.getByRole('button', { name: 'Theme: dark' }).click()
  await expect.poll(dark).toBeUndefined()
})

test('times are in the named zone of the browser or in UTC, and so are the fields for them', async () => {
  const tokyo = await openPage(server, { timezoneId: 'Asia/Tokyo', query: '?view=tasks' })
  onTestFinished(() => tokyo.browser.close())
  await logIn(tokyo.page)
  await tokyo.page.getByText('Times are in Asia/Tokyo').waitFor()
  const after = tokyo.page.getByLabel('Created after')
  const chosen = () => new URL(tokyo.page.url()).searchParams.get('after')
  await after.fill('2026-01-02T09:00')
  await expect.poll(chosen).toBe('2026-01-02T00:00:00.000Z')
  await tokyo.page.locator('.instant-field', { hasText: 'GMT+9' }).first().waitFor()
  await tokyo.page.getByRole('button', { name: 'Show them in UTC' }).click()
  await expect.poll(() => after.inputValue()).toBe('2026-01-02T00:00')
  await after.fill('2026-01-02T09:00')
  await expect.poll(chosen).toBe('2026-01-02T09:00:00.000Z')
  await tokyo.page.getByRole('button', { name: 'Last night' }).click()
  await expect.poll(chosen).toMatch(/T20:00:00\.000Z$/)

  const { tasks } = await server.app.tasks.listTasks({ pageSize: 1 })
  await tokyo.page.goto(`${server.origin}/admin/?task=${tasks[0]?.taskId}`)
  const due = tokyo.page.locator('.facts time').first()
  const at = new Date((await due.getAttribute('datetime')) ?? '').toISOString().slice(11, 19)
  expect(await due.textContent()).toContain(`${at} UTC`)
  await tokyo.page.reload()
  await tokyo.page.getByText('Times are in UTC').waitFor()
  await tokyo.page.getByRole('button', { name: 'Show them in Asia/Tokyo' }).click()
  await expect.poll(() => due.textContent()).toContain('GMT+9')
  expect(tokyo.browser.misdeeds).toEqual([])
})
