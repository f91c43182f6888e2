import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const LINES = 1_000_000
const MAX_OPEN_MS = 1_000

let server: PageServer
let browser: WatchedBrowser
let page: Page
let taskId: string

beforeAll(async () => {
  const database = await createTestDatabase('server')
  server = await PageServer.start(database, createDemoTasks())
  ;({ taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'L-1' }))
  await server.app.tasks.waitFor(taskId)
  await database.pool.query(
    `insert into async_task_logs (task_id, level, message, attempt, created_at)
     select $1, case when n % 1000 = 0 then 'WARNING' else 'INFO' end,
            'row ' || n || ': ' || md5(n::text), 1, now() - (${LINES} - n) * interval '10 ms'
       from generate_series(1, ${LINES}) n`,
    [taskId],
  )
  await database.pool.query('vacuum (analyze) async_task_logs')
  ;({ browser, page } = await openPage(server))
  await logIn(page)
  await page.locator('tr[data-task]').first().waitFor()
})
afterAll(async () => {
  await browser?.close()
  await server?.remove()
})

const last = () => page.locator('.line', { hasText: `row ${LINES}:` })

/** Milliseconds from the next click until the end of the log is drawn, by the clock of the page. */
const timeUntilEnd = () =>
  page.evaluate(
    (end) =>
      new Promise<number>((resolve) => {
        addEventListener(
          'click',
          ({ timeStamp }) => {
            const look = () => {
              const log = document.querySelector('.log')
              const isThere = log?.querySelector('.line:last-child')?.textContent.includes(end)
              const isAtEnd = log && log.scrollHeight - log.scrollTop - log.clientHeight < 30
              if (isThere && isAtEnd) resolve(performance.now() - timeStamp)
              else requestAnimationFrame(look)
            }
            look()
          },
          { capture: true, once: true },
        )
      }),
    `row ${LINES}:`,
  )

test(`a log of ${LINES} lines opens at its end in less than ${MAX_OPEN_MS} ms`, async () => {
  const times: number[] = []
  for (let i = 0; i < 5; i += 1) {
    await page.goto(`${server.origin}/admin/?view=tasks`)
    await page.locator('tr[data-task]').first().waitFor()
    const time = timeUntilEnd()
    await page.locator(`tr[data-task="${taskId}"] .task-link`).click()
    times.push(await time)
  }
  console.log(`opened in ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`)
  expect(Math.max(...times)).toBeLessThan(MAX_OPEN_MS)
  await page.getByText(/of 1,000,00\d lines/).waitFor()
})

test('it is searched to its first line, and says how far it went', async () => {
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await last().waitFor()
  const from = performance.now()
  await page.getByLabel('Search in the log').fill('row 5:')
  await page.locator('.line', { hasText: 'row 5:' }).waitFor()
  console.log(`found its fifth line in ${((performance.now() - from) / 1_000).toFixed(1)} s`)
  await page.getByText(/^Searched 1,000,00\d of 1,000,00\d lines/).waitFor()
  expect(await page.locator('.log .line').count()).toBe(1)
  expect(browser.misdeeds).toEqual([])
})
