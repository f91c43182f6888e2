import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { logIn, type PageServer } from './admin-page.ts'
import { DIALOGS, fillScreens, SCREENS, type ScreenIds } from './all-screens.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let server: PageServer
let browser: WatchedBrowser
let page: Page
let ids: ScreenIds

useAdminPage(
  {
    tasks: createDemoTasks(),
    async prepare(running, database) {
      ids = await fillScreens(running, database)
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

describe('axe finds nothing, in light and in dark,', () => {
  test('on the log-in', async () => {
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await page.getByLabel('Password').waitFor()
    expect(await findViolations()).toEqual([])
    await logIn(page)
  })

  test.each(SCREENS)('on the screen "$name"', async ({ name, query, ready }) => {
    await page.goto(`${server.origin}/admin/${query(ids)}`)
    await page.locator(ready).first().waitFor()
    expect(await findViolations()).toEqual([])
    // The browser reports the answer itself.
    if (name === 'missing task') browser.forgive(/status of 404 .*\/task_0[/)]/)
  })

  test.each(DIALOGS)('in the dialog "$name"', async ({ query, open }) => {
    await page.goto(`${server.origin}/admin/${query(ids)}`)
    await open(page)
    await page.getByRole('dialog').waitFor()
    expect(await findViolations()).toEqual([])
  })

  test('with a selection', async () => {
    await page.goto(`${server.origin}/admin/?view=tasks`)
    await page.getByLabel('Select all on this page').check()
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
