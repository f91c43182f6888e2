import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { measureMainThread } from './main-thread.ts'
import type { WatchedBrowser } from './watched-browser.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const TASKS = 10_000
const MAX_ROWS = 200
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

/** Tasks of the past: rows as the engine leaves them. */
async function fillTable({ pool }: TestDatabase): Promise<void> {
  await pool.query(
    `insert into async_tasks (task_id, task_type, status, progress, total, error_message, retry_count, max_retries,
       timeout_seconds, created_at, run_at, started_at, completed_at)
     select 'task_' || md5(n::text), 'backfill_by_date', case when n % 7 = 0 then 'failed' else 'completed' end,
       100, 100, case when n % 7 = 0 then 'the source did not answer within 30 s' end, 0, 3, 60,
       now() - n * interval '1 second', now() - n * interval '1 second', now() - n * interval '1 second', now()
     from generate_series(1, $1::int) as n`,
    [TASKS],
  )
}

test('the scripts of the page are smaller than 150 kB, compressed', () => {
  const built = path.resolve(import.meta.dirname, '../../dist/dashboard')
  const html = readFileSync(path.join(built, 'index.html'), 'utf8')
  const named = [...html.matchAll(/assets\/[\w-]+\.js/g)].map(([name]) => name)
  expect(named.length).toBeGreaterThan(0)
  // What is loaded later counts as well.
  const scripts = named.map((name) => readFileSync(path.join(built, name)))
  const later = scripts.flatMap((script) => [...script.toString().matchAll(/import\(["'`]\.\/([\w-]+\.js)/g)])
  expect(later).toEqual([])
  const bytes = scripts.reduce((sum, script) => sum + gzipSync(script).length, 0)
  console.log(`scripts: ${(bytes / 1_000).toFixed(1)} kB compressed`)
  expect(bytes).toBeLessThan(150_000)
  expect(readdirSync(built)).toContain('favicon.svg')
})

test(`a first load takes less than ${MAX_LOAD_MS} ms of work`, async () => {
  const client = await browser.context.newCDPSession(page)
  await client.send('Network.clearBrowserCache')
  await client.detach()
  const startedAt = performance.now()
  const { totalMs } = await measureMainThread(page, async () => {
    await page.goto(`${server.origin}/admin/`, { waitUntil: 'commit' })
    await page.locator('tr[data-task]').first().waitFor()
  })
  console.log(
    `first load: ${totalMs.toFixed(0)} ms of work, ${(performance.now() - startedAt).toFixed(0)} ms in all`,
  )
  expect(totalMs).toBeGreaterThan(0)
  expect(totalMs).toBeLessThan(MAX_LOAD_MS)
})

test(`with ${TASKS} tasks at most ${MAX_ROWS} rows are in the document, and all of them can be reached`, async () => {
  await page.goto(`${server.origin}/admin/`)
  await page.locator('tr[data-task]').first().waitFor()
  const seen = new Set<string>()
  for (let pages = 0; pages < 4; pages += 1) {
    const ids = await page
      .locator('tr[data-task]')
      .evaluateAll((rows) => rows.map((row) => row.dataset.task ?? ''))
    expect(ids.length).toBeLessThanOrEqual(MAX_ROWS)
    for (const id of ids) {
      expect(seen.has(id), `${id} is on two pages`).toBe(false)
      seen.add(id)
    }
    await page.getByRole('button', { name: 'Older' }).click()
    await expect.poll(() => page.locator('tr[data-task]').first().getAttribute('data-task')).not.toBe(ids[0])
  }
  expect(seen.size).toBe(200)
  await page.getByRole('button', { name: 'Newer' }).click()
  await page.getByRole('button', { name: 'Newest' }).click()
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
