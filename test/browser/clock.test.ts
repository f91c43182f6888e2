import { expect, onTestFinished, test } from 'vitest'
import { logIn, openPage, type PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'

let server: PageServer

useAdminPage({ tasks: createDemoTasks() }, (opened) => {
  ;({ server } = opened)
})

/** The clock of the browser is an hour behind, and its timers that repeat never fire. */
const CLOCK_THAT_STANDS = `{
  const Real = Date
  globalThis.Date = class extends Real {
    constructor(...given) {
      super(...(given.length === 0 ? [Real.now() - 3_600_000] : given))
    }
    static now() {
      return Real.now() - 3_600_000
    }
  }
  setInterval = () => 0
}`

test('what is shown first is by the clock of the server, and so are the ticks of an expression', async () => {
  const { browser } = await openPage(server)
  onTestFinished(() => browser.close())
  const page = await browser.context.newPage()
  await page.addInitScript(CLOCK_THAT_STANDS)
  const { taskId } = await server.app.tasks.createTask('watch_inbox', {}, { delayMs: 7_200_000 })
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await logIn(page)
  const created = page.locator(`tr[data-task="${taskId}"] .cell-created`)
  expect(await created.textContent()).toMatch(/^(now|\d+ (s|min) ago)$/)

  await page.goto(`${server.origin}/admin/?view=schedules`)
  await page.getByRole('button', { name: 'New schedule' }).click()
  const before = Date.now()
  await page.getByRole('dialog').getByLabel('Cron').fill('* * * * *')
  const next = await page.locator('.next-ticks time').first().getAttribute('datetime')
  expect(Date.parse(next ?? '')).toBeGreaterThan(before - 60_000)
})

test('numbers are those of the language of the page, not of the browser', async () => {
  const { tasks } = server.app
  const { taskId } = await tasks.createTask('watch_inbox', {})
  await expect.poll(async () => (await tasks.getTask(taskId))?.progress).toBe(2)
  await tasks.updateProgress(taskId, 1_234, 5_678)
  const { browser, page } = await openPage(server, { locale: 'de-DE' })
  onTestFinished(() => browser.close())
  await logIn(page)
  await page.locator(`tr[data-task="${taskId}"]`).getByText('1,234/5,678').waitFor()
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await page.getByText('1,234 / 5,678').waitFor()
})
