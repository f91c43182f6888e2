import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { BrowserContextOptions, Page } from 'playwright-core'
import sharp from 'sharp'
import { buildDashboardIfStale } from '../../src/cli/build-dashboard.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { createScratchDatabase } from './scratch-database.ts'
import { type Present, writePast, writePresent } from './screenshot-scene.ts'

/**
 * Makes the pictures of the documentation: `npm run screenshots`. On a database of its own, with a past of one day that
 * is written into the tables and a present that runs.
 */

const FOLDER = path.resolve(import.meta.dirname, '../../docs/images')
const MAX_BYTES = 90_000
/** Health forgets within two minutes that the building of the page has blocked this process. */
const MAX_UNHEALTHY_MS = 300_000

const LOOKS: Record<string, BrowserContextOptions> = {
  light: { viewport: { width: 1240, height: 760 } },
  dark: { viewport: { width: 1240, height: 760 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 1.5 },
  chinese: { viewport: { width: 1240, height: 760 }, locale: 'zh-CN' },
}

type Screen = [name: string, query: string, ready: string]

const screensOf = ({ running, failed }: Present): Screen[] => [
  ['task', `?task=${running}`, '.log .line:nth-child(4)'],
  ['overview', '', '.chart canvas'],
  ['list', '?view=tasks', '.tab-running .tab-count:not(.is-zero)'],
  ['failed', `?task=${failed}`, '.log .line'],
  ['errors', '?view=errors', 'table.errors tbody tr'],
  ['types', '?view=types', 'tbody tr'],
  ['type', '?view=types&type=backfill_by_date', '.chart canvas'],
  ['executors', '?view=executors', '.lanes .run'],
  ['schedules', '?view=schedules', '.tick-strip'],
  ['activity', '?view=activity', 'tbody tr'],
  ['account', '?view=account', 'tbody tr'],
  ['new', '?view=new&type=backfill_by_range', 'form'],
]

async function photograph(server: PageServer, look: string): Promise<void> {
  const { browser, page } = await openPage(server, { reducedMotion: 'reduce', ...LOOKS[look] })
  try {
    await page.locator('input[type=password]').waitFor()
    await shoot(page, `login-${look}`)
    if (look === 'chinese') await page.getByRole('button', { name: 'English' }).click()
    await logIn(page)
    if (look === 'chinese') await page.getByRole('button', { name: '中文' }).click()
    await page.locator('.pill-green').waitFor({ timeout: MAX_UNHEALTHY_MS })
    const present = await writePresent(server)
    for (const [name, query, ready] of screensOf(present)) {
      await page.goto(`${server.origin}/admin/${query}`)
      await page.locator(ready).first().waitFor()
      // The log and what the executors say come a moment later.
      await page.waitForLoadState('load')
      await page.locator('.pill-green, .pill-amber, .pill-red').waitFor()
      await page.locator('.skeleton').first().waitFor({ state: 'detached' })
      await shoot(page, `${name}-${look}`)
    }
    // Their slots are for the next look.
    const taskIds = [present.listening, present.running]
    await server.app.tasks.bulk({ action: 'cancel', taskIds })
    for (const taskId of taskIds) await server.app.tasks.waitFor(taskId)
  } finally {
    await browser.close()
  }
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready.then(() => {}))
  await page.mouse.move(0, 0)
  // A palette makes it a third as large, for the eye the same.
  const { size } = await sharp(await page.screenshot())
    .png({ palette: true, colours: 128, effort: 10 })
    .toFile(path.join(FOLDER, `${name}.png`))
  console.log(`${name}.png: ${Math.round(size / 1_000)} kB`)
  if (size > MAX_BYTES) throw new Error(`${name}.png is larger than ${MAX_BYTES} bytes`)
}

mkdirSync(FOLDER, { recursive: true })
await buildDashboardIfStale({ info: console.log, error: console.error })
const database = await createScratchDatabase()
const server = await PageServer.start(database, createDemoTasks())
try {
  await writePast(database.pool, server)
  for (const look of Object.keys(LOOKS)) await photograph(server, look)
} finally {
  await server.remove()
}
