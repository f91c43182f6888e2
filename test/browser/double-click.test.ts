import type { Locator, Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { ADMIN, type PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'

let server: PageServer
let page: Page

useAdminPage(
  {
    tasks: createDemoTasks(),
    async prepare({ app: { tasks } }) {
      const invoice = { task: 'send_invoice', params: { invoice: 'E-1' } }
      await tasks.createSchedule({ name: 'yearly', cron: '0 0 1 1 *', ...invoice })
    },
  },
  (opened) => {
    ;({ server, page } = opened)
  },
)

const button = (name: string | RegExp) => page.getByRole('button', { name })
const inDialog = (name: string) => page.getByRole('dialog').getByRole('button', { name, exact: true })

const ACTIONS: [what: string, query: string, prepare: () => Promise<Locator>, done: string][] = [
  ['runs a schedule', '?view=schedules', async () => button('Run now yearly'), 'Task created'],
  [
    'creates a schedule',
    '?view=schedules',
    async () => {
      await button('New schedule').click()
      await page.getByRole('dialog').getByLabel('Name').fill('monthly')
      await page.getByRole('dialog').getByLabel('Type').selectOption('watch_inbox')
      await page.getByRole('dialog').getByLabel('Cron').fill('0 0 1 * *')
      return inDialog('Create schedule')
    },
    'Schedule saved',
  ],
  [
    'deletes a schedule',
    '?view=schedules',
    async () => {
      await button('Delete: yearly').click()
      return inDialog('Delete')
    },
    'Schedule deleted',
  ],
  [
    'adds a user',
    '?view=account',
    async () => {
      await button('Add user').click()
      await page.getByLabel('Name', { exact: true }).fill('ada')
      await page.getByRole('dialog').getByLabel('Password').fill('only reads, changes nothing')
      return inDialog('Add user')
    },
    'ada is added',
  ],
  [
    'changes the password',
    '?view=account',
    async () => {
      await page.getByLabel('Current password').fill(ADMIN.password)
      await page.getByLabel('New password', { exact: true }).fill('a new password of mine')
      return button('Change password')
    },
    'Password changed',
  ],
]

test.each(ACTIONS)('a double click %s once', async (_what, query, prepare, done) => {
  await page.goto(`${server.origin}/admin/${query}`)
  const target = await prepare()
  const held: Route[] = []
  await page.route('**/api/admin/**', (route) =>
    route.request().method() === 'GET' ? route.continue() : void held.push(route),
  )
  await target.dblclick()
  // Sent after all requests of the clicks.
  await page.evaluate(() => fetch('.'))
  expect(held).toHaveLength(1)
  await held[0]?.continue()
  await page.locator('.toast', { hasText: done }).waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})
