import type { Page, Route } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { logIn, type PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const LATER = { delayMs: 3_600_000 }
/** Longer than the page waits between a change and the next reading of the list. */
const SLOW_MS = 1_200
/** Until the fourth try, the page waits 1, 2 and 4 s; the next comes 8 s later. */
const TRIES = 4
const SOON_MS = 4_000

let server: PageServer
let browser: WatchedBrowser
let page: Page

useAdminPage(
  {
    tasks: createDemoTasks(),
    async prepare(server) {
      await server.app.tasks.createTask('watch_inbox', {}, LATER)
    },
  },
  (opened) => {
    ;({ server, browser, page } = opened)
  },
)

const rows = () => page.locator('tr[data-task]')
const endsWith = (path: string) => (url: URL) => url.pathname.endsWith(path)

/** No answer to such requests, until the returned function is called. */
async function holdBack(path: string): Promise<() => Promise<void>> {
  const held: Route[] = []
  const hold = (route: Route) => void held.push(route)
  await page.route(endsWith(path), hold)
  return async () => {
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    // Some were given up by the page.
    await Promise.allSettled(held.map((route) => route.continue()))
  }
}

test('going back shows at once what was there', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await rows().first().waitFor()
  await page.getByRole('link', { name: 'Schedules' }).click()
  await page.getByRole('heading', { name: 'Schedules' }).waitFor()
  const release = await holdBack('/tasks')
  await page.goBack()
  await rows().first().waitFor()
  await release()
})

test('rows of the list before are not acted on under a new filter', async () => {
  const { taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'R-1' })
  await server.app.tasks.waitFor(taskId)
  await page.goto(`${server.origin}/admin/?status=failed`)
  await rows().first().waitFor()
  const release = await holdBack('/tasks')
  await page.getByRole('link', { name: /^Pending/ }).click()
  await page.waitForURL(/status=pending/)
  await page.keyboard.press('a')
  await release()
  await page.locator(`tr[data-task="${taskId}"]`).waitFor({ state: 'detached' })
  expect(await page.getByText(/selected/).count()).toBe(0)
  await page.keyboard.press('a')
  await page.getByText('1 task selected').waitFor()
})

test('nothing of it is there for whoever logs in next', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await rows().first().waitFor()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('User name').waitFor()
  const release = await holdBack('/tasks')
  await logIn(page)
  await page.locator('.skeleton').waitFor()
  expect(await rows().count()).toBe(0)
  await release()
  await rows().first().waitFor()
})

test('a list that is slow to read follows what changes all the time', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await rows().first().waitFor()
  await page.route(endsWith('/tasks'), async (route) => {
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
    await route.continue().catch(() => {})
  })
  const changing = await server.app.tasks.createTask('watch_inbox', {}, LATER)
  let isOver = false
  const change = async () => {
    for (let priority = 0; !isOver; priority = (priority + 1) % 100) {
      await server.app.tasks.updateTask(changing.taskId, { priority })
    }
  }
  const changes = change()
  onTestFinished(async () => {
    isOver = true
    await changes
  })
  const { taskId } = await server.app.tasks.createTask('watch_inbox', {}, LATER)
  await page.locator(`tr[data-task="${taskId}"]`).waitFor({ timeout: 20_000 })
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

test('"Try again" does not wait for the next try', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await rows().first().waitFor()
  let tries = 0
  await page.route(endsWith('/schedules'), async (route) => {
    tries += 1
    await route.fulfill({ status: 503, contentType: 'text/plain', body: 'away' })
  })
  await page.getByRole('link', { name: 'Schedules' }).click()
  const again = page.getByRole('button', { name: 'Try again' })
  await again.waitFor()
  await expect.poll(() => tries).toBe(TRIES)
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  await again.click()
  await again.waitFor({ state: 'detached', timeout: SOON_MS })
  browser.forgive(/status of 503/)
})

test('the commands are there while the server is away, opened before or not', async () => {
  const code = page.waitForResponse(/palette/)
  await page.goto(`${server.origin}/admin/`)
  await (await code).finished()
  await browser.context.setOffline(true)
  await page.keyboard.press('ControlOrMeta+k')
  await page.getByRole('dialog', { name: 'Commands' }).getByText('Schedules').waitFor()
  await browser.context.setOffline(false)
  await page.keyboard.press('Escape')
  browser.forgive(/net::ERR_/)
})

test('every page is there while the server is away, opened before or not', async () => {
  const pages = page.waitForResponse(/other-pages/)
  await page.goto(`${server.origin}/admin/`)
  await (await pages).finished()
  await browser.context.setOffline(true)
  await page.getByRole('link', { name: 'Schedules' }).click()
  await page.getByRole('heading', { name: 'Schedules' }).waitFor()
  await browser.context.setOffline(false)
  await page.getByRole('table').waitFor()
  browser.forgive(/net::ERR_/)
})
