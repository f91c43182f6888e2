import { statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { buildDashboardIfStale } from '../../src/cli/build-dashboard.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { createScratchDatabase } from './scratch-database.ts'

/**
 * Makes the moving picture of the README: `npm run recording`. Somebody creates a task with the form of the admin page, and
 * watches its progress and log until it is done.
 */

const FILE = path.resolve(import.meta.dirname, '../../docs/images/live.webp')
const SIZE = { width: 960, height: 600 }
const MAX_BYTES = 1_000_000
/** More frames make the file larger, and no clearer. */
const FRAME_SECONDS = 0.15
const LAST_FRAME_MS = 3_000

interface Frame {
  readonly picture: Buffer
  /** In seconds. */
  readonly at: number
}

/** Every change of the page while somebody does something there. */
async function record(page: Page, act: () => Promise<void>): Promise<Frame[]> {
  const session = await page.context().newCDPSession(page)
  const frames: Frame[] = []
  session.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    frames.push({ picture: Buffer.from(data, 'base64'), at: metadata.timestamp ?? 0 })
    void session.send('Page.screencastFrameAck', { sessionId })
  })
  await session.send('Page.startScreencast', { format: 'png' })
  await act()
  await session.send('Page.stopScreencast')
  return frames
}

/** The last one of each short while. */
function thinOut(frames: readonly Frame[]): Frame[] {
  return frames.filter((frame, i) => {
    const next = frames[i + 1]
    return !next || Math.floor(next.at / FRAME_SECONDS) > Math.floor(frame.at / FRAME_SECONDS)
  })
}

async function loadHalfAYear(page: Page): Promise<void> {
  await pause(1_000)
  await page.getByRole('link', { name: 'New task' }).click()
  await page.getByLabel('Type', { exact: true }).selectOption('backfill_by_range')
  await pause(700)
  await page.getByLabel('startDate').fill('2025-01-01')
  await pause(500)
  await page.getByLabel('endDate').fill('2025-06-30')
  await pause(700)
  await page.getByRole('button', { name: 'Create task' }).click()
  await page.locator('.task-title .badge', { hasText: 'Completed' }).waitFor()
  await pause(500)
}

async function write(frames: readonly Frame[]): Promise<void> {
  const delay = frames.map(({ at }, i) => {
    const next = frames[i + 1]
    return next ? Math.round((next.at - at) * 1_000) : LAST_FRAME_MS
  })
  const pictures = frames.map(({ picture }) => picture)
  await sharp(pictures, { join: { animated: true } })
    .webp({ loop: 0, delay, quality: 70, effort: 6 })
    .toFile(FILE)
  const { size } = statSync(FILE)
  const seconds = delay.reduce((sum, ms) => sum + ms, 0) / 1_000
  console.log(`${frames.length} frames, ${seconds.toFixed(1)} s, ${Math.round(size / 1_000)} kB`)
  if (size > MAX_BYTES) throw new Error(`${FILE} is larger than ${MAX_BYTES} bytes`)
}

await buildDashboardIfStale({ info: console.log, error: console.error })
const server = await PageServer.start(await createScratchDatabase())
try {
  for (const type of ['init_stocks', 'init_sectors']) {
    const { taskId } = await server.app.tasks.createTask(type, {})
    await server.app.tasks.waitFor(taskId)
  }
  const { browser, page } = await openPage(server, { viewport: SIZE })
  try {
    await logIn(page)
    await page.locator('tr[data-task]').first().waitFor()
    await page.evaluate(() => document.fonts.ready.then(() => {}))
    await write(thinOut(await record(page, () => loadHalfAYear(page))))
  } finally {
    await browser.close()
  }
} finally {
  await server.remove()
}
