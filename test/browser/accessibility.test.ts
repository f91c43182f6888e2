import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { addErrors } from '../support/add-errors.ts'
import { logIn, type PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let server: PageServer
let browser: WatchedBrowser
let page: Page
const ids = { failed: '', running: '', pending: '', group: '' }

useAdminPage(
  {
    tasks: createDemoTasks(),
    async prepare(server, database) {
      const { tasks } = server.app
      ids.failed = (await tasks.createTask('send_invoice', { invoice: 'A-17' })).taskId
      await tasks.waitFor(ids.failed)
      ids.running = (await tasks.createTask('watch_inbox', {})).taskId
      ids.pending = (
        await tasks.createTask('watch_inbox', {}, { runAt: new Date(Date.now() + 3_600_000) })
      ).taskId
      await addErrors(database, 'send_invoice', ['invoice A-17 has no address'])
      ids.group = (await tasks.listErrorGroups())[0]?.id ?? ''
    },
    isLoggedIn: false,
  },
  (opened) => {
    ;({ server, browser, page } = opened)
  },
)

interface Finding {
  id: string
  nodes: { html: string; failureSummary?: string }[]
}

/** Every rule of axe, on the page as it is now; in dark colours once more what colours can break. */
async function findViolations(): Promise<string[]> {
  // Past the content security policy, which lets no script into the page.
  await page.evaluate(axe.source)
  await page.emulateMedia({ colorScheme: 'light' })
  const inLight = await runAxe()
  await page.emulateMedia({ colorScheme: 'dark' })
  const inDark = await runAxe({ runOnly: ['color-contrast', 'link-in-text-block'] })
  return [...inLight.map((found) => `light: ${found}`), ...inDark.map((found) => `dark: ${found}`)]
}

async function runAxe(options: object = {}): Promise<string[]> {
  const call = `axe.run(document, ${JSON.stringify(options)})`
  const { violations } = (await page.evaluate(call)) as { violations: Finding[] }
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`),
  )
}

const SCREENS: [name: string, query: () => string, ready: string][] = [
  ['overview', () => '', '.chart canvas'],
  ['list', () => '?view=tasks', 'tr[data-task]'],
  ['searched list', () => '?error=address&sort=duration', 'tr[data-task]'],
  ['empty list', () => '?status=cancelled', '.empty'],
  ['failed task', () => `?task=${ids.failed}`, '.log .line'],
  ['running task', () => `?task=${ids.running}`, '.log .line'],
  ['pending task', () => `?task=${ids.pending}`, '.timeline'],
  ['missing task', () => '?task=task_0', '.empty'],
  ['new task', () => '?view=new&type=every_kind', 'form'],
  ['errors', () => '?view=errors', 'table.errors'],
  ['tasks of an error', () => `?status=failed&group=${ids.group}`, '.chip'],
  ['types', () => '?view=types', 'table'],
  ['type', () => '?view=types&type=send_invoice', '.chart-card'],
  ['executors', () => '?view=executors', '.lanes'],
  ['schedules', () => '?view=schedules', 'h1'],
  ['activity', () => '?view=activity', 'search.filters'],
]

describe('axe finds nothing, in light and in dark,', () => {
  test('on the log-in', async () => {
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await page.getByLabel('Password').waitFor()
    expect(await findViolations()).toEqual([])
    await logIn(page)
  })

  test.each(SCREENS)('on the %s', async (name, query, ready) => {
    await page.goto(`${server.origin}/admin/${query()}`)
    await page.locator(ready).first().waitFor()
    expect(await findViolations()).toEqual([])
    // The browser reports the answer itself.
    if (name === 'missing task') browser.forgive(/status of 404 .*\/task_0\)/)
  })

  test('with a selection, in a dialog, and with a message', async () => {
    await page.goto(`${server.origin}/admin/?view=tasks`)
    await page.getByLabel('Select all on this page').check()
    expect(await findViolations()).toEqual([])
    await page.keyboard.press('Escape')
    await page.goto(`${server.origin}/admin/?task=${ids.failed}`)
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').waitFor()
    expect(await findViolations()).toEqual([])
    await page.keyboard.press('Escape')
    await page.goto(`${server.origin}/admin/?task=${ids.pending}`)
    await page.getByRole('button', { name: 'Change' }).click()
    await page.getByRole('dialog').waitFor()
    expect(await findViolations()).toEqual([])
    await page.keyboard.press('Escape')
    await page.goto(`${server.origin}/admin/?view=schedules`)
    await page.getByRole('button', { name: 'New schedule' }).click()
    await page.getByRole('dialog').waitFor()
    expect(await findViolations()).toEqual([])
  })

  test('with new tasks above the list, an offer to undo, and the commands', async () => {
    await page.goto(`${server.origin}/admin/?task=${ids.pending}`)
    await page.getByRole('button', { name: 'Cancel', exact: true }).click()
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    expect(await findViolations()).toEqual([])
    await page.goto(`${server.origin}/admin/?view=tasks`)
    await page.getByLabel('Select all on this page').check()
    await server.app.tasks.createTask('watch_inbox', {}, { delayMs: 3_600_000 })
    await page.getByRole('button', { name: '1 new' }).waitFor()
    expect(await findViolations()).toEqual([])
    await page.keyboard.press('ControlOrMeta+k')
    await page.getByRole('dialog', { name: 'Commands' }).waitFor()
    expect(await findViolations()).toEqual([])
    await page.keyboard.type('inv')
    await page.getByRole('option', { name: 'Search tasks for inv' }).waitFor()
    expect(await findViolations()).toEqual([])
  })

  test('at the width of a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 })
    for (const query of ['', '?view=tasks', `?task=${ids.failed}`, '?view=errors', '?view=types']) {
      await page.goto(`${server.origin}/admin/${query}`)
      await page.locator('main :is(tbody tr, .log, .chart canvas)').first().waitFor()
      expect(await findViolations()).toEqual([])
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      expect(overflow, `${query} scrolls sideways`).toBeLessThanOrEqual(0)
    }
  })
})
