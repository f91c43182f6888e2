import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { addErrors } from '../support/add-errors.ts'
import type { PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { findLayoutFaults } from './layout.ts'
import { useAdminPage } from './use-admin-page.ts'

let server: PageServer
let page: Page

const HOUR_MS = 3_600_000
const LONG = `${'very '.repeat(60)}long <b>error</b> \u202E reversed`
const MAILBOXES = [1, 2, 3].map((n) => `mailbox ${n} is full`)

useAdminPage(
  {
    tasks: createDemoTasks(),
    async prepare({ app: { tasks } }, database) {
      await addErrors(database, 'watch_inbox', [...MAILBOXES, ...MAILBOXES, ...MAILBOXES], {
        ageMs: 5 * HOUR_MS,
      })
      await addErrors(database, 'watch_inbox', MAILBOXES, { ageMs: 2 * HOUR_MS })
      await addErrors(database, 'x'.repeat(100), [LONG], { ageMs: 3 * HOUR_MS })
      const created = await tasks.createTasks(
        [1, 2, 3].map((n) => ({ task: 'send_invoice', params: { invoice: `INV-${n}` } })),
      )
      for (const { taskId } of created) await tasks.waitFor(taskId)
      // The server itself counts them within five seconds.
      const latest = { taskId: created[2]?.taskId ?? '' }
      await addErrors(database, 'send_invoice', ['invoice INV-3 has no address'], latest)
    },
  },
  (opened) => {
    ;({ server, page } = opened)
  },
)

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const rowOf = (message: string) => page.locator('table.errors tbody tr', { hasText: message })

test('what fails is listed once for each kind of failure, the latest first, with its last 24 hours', async () => {
  await visit('')
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Errors' }).click()
  const invoices = rowOf('invoice INV-# has no address')
  await invoices.getByText(/^invoice INV-\d has no address$/).waitFor()
  const rows = page.locator('table.errors tbody tr')
  expect(await rows.count()).toBe(3)
  expect(await rows.first().textContent()).toContain('send_invoice')
  const histogram = rowOf('mailbox # is full').getByRole('img')
  expect(await histogram.getAttribute('aria-label')).toMatch(
    /^12 failures in the last 24 hours, most at .*\d\d:\d\d: 9$/,
  )
  expect(await histogram.locator('rect:not(.is-zero)').count()).toBe(2)
  await page.getByLabel('Type').selectOption('send_invoice')
  await expect.poll(() => rows.count()).toBe(1)
})

test('a group leads to its tasks, and they to the latest error', async () => {
  await visit('?view=errors')
  const row = rowOf('invoice INV-# has no address')
  await row.getByRole('link', { name: /^Show 3 tasks/ }).click()
  await expect.poll(() => page.locator('tr[data-task]').count()).toBe(3)
  await page.locator('.chip', { hasText: 'Error: invoice INV-# has no address' }).waitFor()
  await page.getByRole('button', { name: 'Show tasks with any error' }).click()
  await expect.poll(() => new URL(page.url()).searchParams.get('group')).toBeNull()
  await page.goBack()
  await page.goBack()
  await row.getByRole('link', { name: /Latest task/ }).click()
  await page.getByText('at renderInvoice').waitFor()
})

test('a group is marked as seen, is among the seen ones, and can be brought back', async () => {
  await visit('?view=errors')
  await rowOf('mailbox # is full')
    .getByRole('button', { name: /^Mark as seen/ })
    .click()
  await rowOf('mailbox # is full').waitFor({ state: 'detached' })
  await page.getByRole('link', { name: 'Seen', exact: true }).click()
  await rowOf('mailbox # is full')
    .getByRole('button', { name: /^Mark as new/ })
    .click()
  await rowOf('mailbox # is full').waitFor({ state: 'detached' })
  await page.getByText('No errors').waitFor()
  await page.getByRole('link', { name: 'All', exact: true }).click()
  await rowOf('mailbox # is full').waitFor()
})

test('a group is retried as one, after naming how many tasks that are', async () => {
  await visit('?view=errors&type=send_invoice')
  await page.getByRole('button', { name: /^Retry/ }).click()
  const dialog = page.getByRole('dialog', { name: 'Retry 3 tasks?' })
  await dialog.getByRole('button', { name: 'Retry 3 tasks' }).click()
  await page.locator('.toast', { hasText: '3 tasks pending again' }).waitFor()
  // They fail again.
  const counted = async () => {
    const { tasks } = await server.app.tasks.listTasks({ taskType: 'send_invoice', status: ['failed'] })
    const details = await Promise.all(tasks.map(({ taskId }) => server.app.tasks.getTask(taskId)))
    return details.map((task) => task?.attempts.length)
  }
  await expect.poll(counted).toEqual([2, 2, 2])
})

test('a group without failed tasks offers no retry, and Chinese has all of it', async () => {
  await visit('?view=errors&type=watch_inbox')
  expect(await page.getByRole('button', { name: /^Retry/ }).getAttribute('aria-disabled')).toBe('true')
  await page.getByRole('button', { name: '中文' }).click()
  await page.getByRole('heading', { name: '错误' }).waitFor()
  await rowOf('mailbox # is full')
    .getByRole('button', { name: /^标记为已查看/ })
    .waitFor()
  await page.getByRole('button', { name: 'English' }).click()
})

test('at no width anything is cut off, however long names and errors are', async () => {
  await visit('?view=errors')
  await page.locator('table.errors tbody tr').nth(2).waitFor()
  for (const width of [390, 768, 1440, 1920]) {
    await page.setViewportSize({ width, height: 900 })
    expect(await findLayoutFaults(page), `${width} px`).toEqual([])
  }
})
