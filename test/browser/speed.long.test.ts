import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { measureMainThread } from './main-thread.ts'
import { fillTable } from './past-tasks.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const MAX_FRAME_MS = 50
const MAX_LOAD_MS = 1_000

let server: PageServer
let browser: WatchedBrowser
let page: Page

beforeAll(async () => {
  const database = await createTestDatabase('server')
  server = await PageServer.start(database)
  await fillTable(database)
  ;({ browser, page } = await openPage(server))
  await logIn(page)
})
afterAll(async () => {
  await browser?.close()
  await server?.remove()
})

test(`a first load takes less than ${MAX_LOAD_MS} ms of work`, async () => {
  const client = await browser.context.newCDPSession(page)
  await client.send('Network.clearBrowserCache')
  await client.detach()
  const startedAt = performance.now()
  const { totalMs } = await measureMainThread(page, async () => {
    await page.goto(`${server.origin}/admin/?view=tasks`, { waitUntil: 'commit' })
    await page.locator('tr[data-task]').first().waitFor()
  })
  console.log(
    `first load: ${totalMs.toFixed(0)} ms of work, ${(performance.now() - startedAt).toFixed(0)} ms in all`,
  )
  expect(totalMs).toBeGreaterThan(0)
  expect(totalMs).toBeLessThan(MAX_LOAD_MS)
})

test(`no frame of a scroll takes over ${MAX_FRAME_MS} ms of work`, async () => {
  await page.locator('tr[data-task]').first().waitFor()
  let wallMs = 0
  const { longestFrameMs, frames } = await measureMainThread(page, async () => {
    wallMs = await scrollThrough()
  })
  console.log(
    `longest of ${frames} frames: ${longestFrameMs.toFixed(0)} ms of work, ${wallMs.toFixed(0)} ms in all`,
  )
  expect(frames).toBeGreaterThan(20)
  expect(longestFrameMs).toBeLessThan(MAX_FRAME_MS)
})

/** From the top of the page to its end, frame by frame. @returns the longest time between two frames */
function scrollThrough(): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let longest = 0
        let last: number | undefined
        const step = (now: number) => {
          if (last !== undefined) longest = Math.max(longest, now - last)
          last = now
          window.scrollBy(0, 60)
          const isAtEnd = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 1
          if (isAtEnd) resolve(longest)
          else requestAnimationFrame(step)
        }
        window.scrollTo(0, 0)
        requestAnimationFrame(step)
      }),
  )
}
