import { once } from 'node:events'
import { statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import sharp from 'sharp'
import { z } from 'zod'
import { buildDashboardIfStale } from '../../src/cli/build-dashboard.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { type Frame, record } from './frames.ts'
import { addPointer, PointedHand } from './pointed-hand.ts'
import { createScratchDatabase } from './scratch-database.ts'

/**
 * Makes the moving picture of the README: `npm run recording`. Somebody creates a task with the form of the admin page,
 * watches its progress and log until it is done, does it again, and cancels that one.
 */

const FILE = path.resolve(import.meta.dirname, '../../docs/images/live.webp')
const SIZE = { width: 960, height: 600 }
const MAX_BYTES = 1_500_000
const LAST_FRAME_MS = 1_500
const PAGES = 30
/** The second import waits here until it is cancelled, on a slow machine too. */
const LAST_PAGES = [PAGES, 20]

const importOrders = createTaskRegistry().task('import_orders', {
  params: z.object({ shop: z.string().describe('Its address.'), since: z.iso.date().default('2026-01-01') }),
})(async ({ shop }, ctx) => {
  const lastPage = LAST_PAGES.shift() ?? PAGES
  ctx.log.info(`importing orders of ${shop}`)
  for (let page = 1; page <= lastPage; page += 1) {
    await pause(70, undefined, { signal: ctx.signal })
    ctx.progress(page, PAGES, `page ${page}`)
    if (page === 17) ctx.log.warn('order 4711 has no address', { order: 4_711 })
    else if (page % 5 === 0) ctx.log.info(`${page * 50} orders saved`)
  }
  if (lastPage < PAGES) await once(ctx.signal, 'abort')
  return { orders: PAGES * 50 }
})

async function importTwice(hand: PointedHand): Promise<void> {
  const { page } = hand
  const badge = (status: string) => page.locator('.task-title .badge', { hasText: status }).waitFor()
  await pause(500)
  await hand.click(page.getByRole('link', { name: 'New task' }))
  await hand.choose(page.getByLabel('Type', { exact: true }), 'import_orders')
  await hand.type(page.getByLabel('shop'), 'tea.example')
  await hand.click(page.getByRole('button', { name: 'Create task' }))
  await badge('Completed')
  await pause(500)
  await hand.click(page.getByRole('link', { name: 'Duplicate' }))
  await hand.click(page.getByRole('button', { name: 'Create task' }))
  await page.locator('.log .line', { hasText: '250 orders' }).waitFor()
  await hand.click(page.getByRole('button', { name: 'Cancel', exact: true }))
  await badge('Cancelled')
  await pause(300)
}

async function write(frames: readonly Frame[]): Promise<void> {
  const delay = frames.map(({ at }, i) => {
    const next = frames[i + 1]
    return next ? Math.round((next.at - at) * 1_000) : LAST_FRAME_MS
  })
  const pictures = frames.map(({ picture }) => picture)
  await sharp(pictures, { join: { animated: true } })
    .webp({ loop: 0, delay, lossless: true, effort: 4 })
    .toFile(FILE)
  const { size } = statSync(FILE)
  const seconds = delay.reduce((sum, ms) => sum + ms, 0) / 1_000
  console.log(`${frames.length} frames, ${seconds.toFixed(1)} s, ${Math.round(size / 1_000)} kB`)
  if (size > MAX_BYTES) throw new Error(`${FILE} is larger than ${MAX_BYTES} bytes`)
}

await buildDashboardIfStale({ info: console.log, error: console.error })
const server = await PageServer.start(await createScratchDatabase(), [importOrders])
try {
  for (const type of ['init_stocks', 'init_sectors']) {
    const { taskId } = await server.app.tasks.createTask(type, {})
    await server.app.tasks.waitFor(taskId)
  }
  const { browser, page } = await openPage(server, { viewport: SIZE })
  try {
    await logIn(page)
    await page.locator('tr[data-task]').first().waitFor()
    // The start of browser and server has kept the process busy.
    await page.locator('.pill-green').waitFor()
    await page.evaluate(() => document.fonts.ready.then(() => {}))
    await addPointer(page)
    await write(await record(page, () => importTwice(new PointedHand(page))))
  } finally {
    await browser.close()
  }
} finally {
  await server.remove()
}
