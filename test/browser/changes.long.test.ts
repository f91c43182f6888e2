import type { CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createTestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { measureMainThread } from './main-thread.ts'
import { fillTable } from './past-tasks.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const CHANGES_PER_SECOND = 50
const MAX_FRAME_MS = 50
const MAX_GROWTH = 0.15
/** For a try: how long it looks. */
const MINUTES = Number(process.env.CHANGES_MINUTES ?? 10)
const TRACED_MS = 20_000

const quick = createTaskRegistry().task('quick')(() => {})

let server: PageServer
let browser: WatchedBrowser
let page: Page
let changes = 0
let timer: NodeJS.Timeout

beforeAll(async () => {
  const database = await createTestDatabase('server')
  server = await PageServer.start(database, [quick])
  await fillTable(database)
  ;({ browser, page } = await openPage(server))
  await logIn(page)
  const { tasks } = server.app
  for (const event of ['created', 'started', 'completed'] as const) tasks.on(event, () => (changes += 1))
  // Each is created, started and completed.
  timer = setInterval(() => void tasks.createTask(quick), 3_000 / CHANGES_PER_SECOND)
})
afterAll(async () => {
  clearInterval(timer)
  await browser?.close()
  await server?.remove()
})

const pass = (ms: number) => page.evaluate((time) => new Promise((done) => setTimeout(done, time)), ms)

/** Asks for every frame there can be: what is done between two of them delays one. */
const passByFrames = (ms: number) =>
  page.evaluate(
    (time) =>
      new Promise<void>((done) => {
        const until = performance.now() + time
        const step = (now: number) => (now < until ? requestAnimationFrame(step) : done())
        requestAnimationFrame(step)
      }),
    ms,
  )

async function readHeap(client: CDPSession): Promise<{ megabytes: number; nodes: number }> {
  await client.send('HeapProfiler.collectGarbage')
  const { usedSize } = await client.send('Runtime.getHeapUsage')
  const { nodes } = await client.send('Memory.getDOMCounters')
  return { megabytes: usedSize / 1e6, nodes }
}

test(`with ${CHANGES_PER_SECOND} changes a second no frame takes over ${MAX_FRAME_MS} ms of work, and memory stays flat`, async () => {
  await page.locator('tr[data-task]').first().waitFor()
  const client = await page.context().newCDPSession(page)
  const trace = async (when: string) => {
    const { longestFrameMs, frames } = await measureMainThread(page, () => passByFrames(TRACED_MS))
    console.log(`${when}: longest of ${frames} frames ${longestFrameMs.toFixed(1)} ms of work`)
    expect(frames).toBeGreaterThan(20)
    expect(longestFrameMs).toBeLessThan(MAX_FRAME_MS)
  }
  const from = performance.now()
  const before = changes
  await trace('at the start')
  const first = await readHeap(client)
  let last = first
  for (let minute = 0; minute < MINUTES; minute += 1) {
    await pass(60_000)
    last = await readHeap(client)
    console.log(`after ${minute + 1} min: ${last.megabytes.toFixed(2)} MB, ${last.nodes} nodes`)
  }
  await trace('at the end')
  const rate = (changes - before) / ((performance.now() - from) / 1_000)
  console.log(`${rate.toFixed(1)} changes a second, ${first.megabytes.toFixed(2)} MB at the start`)
  expect(rate).toBeGreaterThan(CHANGES_PER_SECOND * 0.9)
  expect(last.megabytes).toBeLessThan(first.megabytes * (1 + MAX_GROWTH) + 0.5)
  expect(last.nodes).toBeLessThan(first.nodes * 1.5)
  expect(browser.misdeeds).toEqual([])
}, 1_200_000)
