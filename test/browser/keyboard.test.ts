import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { ADMIN } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let browser: WatchedBrowser
let page: Page

useAdminPage(
  {
    tasks: createDemoTasks(),
    async prepare(server) {
      const runAt = new Date(Date.now() + 3_600_000)
      await server.app.tasks.createTask('watch_inbox', {}, { runAt })
      await server.app.tasks.createTask('send_invoice', { invoice: 'B-2' }, { runAt })
    },
    isLoggedIn: false,
  },
  (opened) => {
    ;({ browser, page } = opened)
  },
)

const press = (...keys: string[]) =>
  keys.reduce((done, key) => done.then(() => page.keyboard.press(key)), Promise.resolve())
/** What has the focus: its label, or its text. */
const focused = () =>
  page.evaluate(() => {
    const element = document.activeElement
    const label = (element as HTMLInputElement | null)?.labels?.[0]?.firstChild?.textContent
    return (element?.getAttribute('aria-label') ?? label ?? element?.textContent ?? '').trim()
  })

/** Tab until something with that name has the focus. */
async function tabTo(name: string | RegExp): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab')
    const now = await focused()
    if (typeof name === 'string' ? now === name : name.test(now)) return
  }
  throw new Error(`Tab does not reach ${name}`)
}

// One walk: each step starts where the one before has left the keyboard.
test('logs in', async () => {
  await page.getByLabel('User name').waitFor()
  await expect.poll(focused).toBe('User name')
  await page.keyboard.type(ADMIN.username)
  await press('Tab')
  await page.keyboard.type(ADMIN.password)
  await press('Enter')
  await page.getByRole('table').waitFor()
})

test('skips to the content, searches, and leaves the search', async () => {
  await press('/')
  await expect.poll(focused).toBe('Search')
  await page.keyboard.type('watch_inbox')
  await page.waitForURL(/q=watch_inbox/)
  await expect.poll(() => page.locator('tr[data-task]').count()).toBe(1)
  await press('ControlOrMeta+a', 'Delete')
  await expect.poll(() => page.locator('tr[data-task]').count()).toBe(2)
  await press('Escape')
  await page.reload()
  await page.getByRole('table').waitFor()
  await press('Tab')
  await expect.poll(focused).toBe('Skip to the content')
  await press('Enter')
  await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('content')
})

test('moves through the list, selects, and cancels what is selected', async () => {
  await press('j')
  await expect.poll(focused).toBe('send_invoice')
  await press('j')
  await expect.poll(focused).toBe('watch_inbox')
  await press('k', 'x')
  await page.getByText('1 task selected').waitFor()
  await press('Shift+Tab')
  for (let i = 0; i < 12 && (await focused()) !== 'Cancel'; i += 1) await press('Shift+Tab')
  await expect.poll(focused).toBe('Cancel')
  await press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Cancel 1 task?' })
  await dialog.waitFor()
  // On the way out, not on the act.
  await expect.poll(focused).toBe('Go back')
  await press('Escape')
  await dialog.waitFor({ state: 'detached' })
  await expect.poll(focused).toBe('Cancel')
  await press('Enter')
  await dialog.waitFor()
  await tabTo('Cancel 1 task')
  await press('Enter')
  await page.getByText('1 task cancelled').waitFor()
})

test('opens a task, reads its log, and goes back to the list', async () => {
  await page.keyboard.press('j')
  await expect.poll(focused).toBe('send_invoice')
  await press('Enter')
  await page.getByRole('heading', { level: 1, name: 'send_invoice' }).waitFor()
  await tabTo('Log')
  await tabTo(/^Copy Params$/)
  await press('Escape')
  await page.getByRole('table').waitFor()
})

test('creates a task, and is brought to the field that is wrong', async () => {
  await press('n')
  await page.getByLabel('Type', { exact: true }).waitFor()
  await tabTo('Type')
  await page.keyboard.type('every')
  await page.getByLabel('name', { exact: false }).first().waitFor()
  await tabTo('name')
  await page.keyboard.type('x')
  await tabTo('size')
  await page.keyboard.type('3')
  await tabTo('Create task')
  await press('Enter')
  await page.locator('[aria-invalid=true]').first().waitFor()
  await expect.poll(focused).toBe('name')
  browser.forgive(/status of 400 /)
  await page.keyboard.type('yz')
  await tabTo('Create task')
  await press('Enter')
  await page.getByRole('heading', { level: 1, name: 'every_kind' }).waitFor()
})

test('goes to every page, and shows what the keys do', async () => {
  await press('g', 'y')
  await page.getByRole('heading', { level: 1, name: 'Task types' }).waitFor()
  await press('g', 's')
  await page.getByRole('heading', { level: 1, name: 'Schedules' }).waitFor()
  await press('?')
  const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await help.waitFor()
  await press('Escape')
  await help.waitFor({ state: 'detached' })
  await press('g', 't')
  await page.getByRole('table').waitFor()
})
