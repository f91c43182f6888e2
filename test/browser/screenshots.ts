import { mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type pg from 'pg'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { buildDashboardIfStale } from '../../src/cli/build-dashboard.ts'
import { createDatabase } from '../../src/db/database.ts'
import { addEnd, addRun, addWait, noFigures } from '../../src/engine/definition/figures.ts'
import { addFigures, type NewFigures } from '../../src/engine/store/figures.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { createScratchDatabase } from './scratch-database.ts'

/**
 * Makes the pictures of the documentation: `npm run screenshots`. On a database of its own, with a past of one hour
 * that is written into the tables and a present that runs.
 */

const FOLDER = path.resolve(import.meta.dirname, '../../docs/images')
const MAX_BYTES = 150_000

const LOOKS: Record<string, BrowserContextOptions> = {
  light: { viewport: { width: 1240, height: 760 } },
  dark: { viewport: { width: 1240, height: 760 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 1.5 },
  chinese: { viewport: { width: 1240, height: 760 }, locale: 'zh-CN' },
}

/** An hour of work: finished tasks, and how many ended in each of its minutes. */
async function writePast(pool: pg.Pool): Promise<void> {
  await pool.query(
    `insert into async_tasks (task_id, task_type, status, progress, total, step, retry_count, max_retries,
       timeout_seconds, created_at, run_at, started_at, completed_at)
     select 'task_' || md5(n::text), case when n % 5 = 0 then 'init_sectors' else 'backfill_by_date' end, 'completed',
       400, 400, 'saving bars', 0, 3, 14400, at, at, at + interval '40 ms', at + interval '3 s' + n * interval '7 ms'
     from generate_series(1, 320) as n, lateral (select now() - n * interval '11 s' as at) as times`,
  )
  await addFigures(createDatabase(pool, { prepared: false }), 0, pastFigures())
}

/** Of a day in which one type went wrong for half an hour. */
function pastFigures(): NewFigures[] {
  return Array.from({ length: 24 * 60 }, (_, minute) => {
    const figures = noFigures()
    const isWrong = minute >= 20 && minute < 50
    const many = Math.round(7 + 4 * Math.sin(minute / 40) + 3 * Math.sin(minute * 1.7))
    for (let n = 0; n < many; n += 1) {
      addEnd(figures, isWrong && n % 3 === 0 ? 'failed' : 'completed')
      addWait(figures, (isWrong ? 400 : 12) * (1 + n))
      addRun(figures, 700 * (1 + (n % 5)) * (isWrong ? 3 : 1))
    }
    if (isWrong) addEnd(figures, 'retried')
    return { ageMs: minute * 60_000, taskType: 'backfill_by_date', figures }
  })
}

async function writePresent(server: PageServer): Promise<Record<'running' | 'listening' | 'failed', string>> {
  const { tasks } = server.app
  const finish = async (type: string, params: object) => {
    const { taskId } = await tasks.createTask(type, { ...params })
    await tasks.waitFor(taskId)
    return taskId
  }
  await finish('init_stocks', {})
  await finish('init_sectors', {})
  const failed = await finish('send_invoice', { invoice: '2026-0117' })
  const later = { runAt: new Date(Date.now() + 5_400_000) }
  await tasks.createTask('backfill_by_date', {}, later)
  const cancelled = await tasks.createTask('backfill_by_date', { targetDate: '2026-01-05' }, later)
  await tasks.cancelTask(cancelled.taskId)
  const range = { startDate: '2025-01-01', endDate: '2025-12-31' }
  const { taskId: running } = await tasks.createTask('backfill_by_range', range)
  const { taskId: listening } = await tasks.createTask('watch_inbox', {})
  return { running, listening, failed }
}

type Screen = [name: string, query: string, ready: string]

async function photograph(server: PageServer, look: string, screens: readonly Screen[]): Promise<void> {
  const { browser, page } = await openPage(server, { reducedMotion: 'reduce', ...LOOKS[look] })
  try {
    if (look === 'chinese') await page.getByRole('button', { name: 'English' }).click()
    await page.getByLabel('Password').waitFor()
    if (look !== 'chinese') await shoot(page, `login-${look}`)
    await logIn(page)
    if (look === 'chinese') await page.getByRole('button', { name: '中文' }).click()
    for (const [name, query, ready] of screens) {
      await page.goto(`${server.origin}/admin/${query}`)
      await page.locator(ready).first().waitFor()
      // The log and what the executors say come a moment later.
      await page.waitForLoadState('load')
      await page.locator('.pill-green, .pill-amber, .pill-red').waitFor()
      await shoot(page, `${name}-${look}`)
    }
  } finally {
    await browser.close()
  }
}

async function shoot(page: Page, name: string): Promise<void> {
  const file = path.join(FOLDER, `${name}.png`)
  await page.evaluate(() => document.fonts.ready.then(() => {}))
  await page.mouse.move(0, 0)
  await page.screenshot({ path: file })
  const { size } = statSync(file)
  console.log(`${name}.png: ${Math.round(size / 1_000)} kB`)
  if (size > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`)
}

mkdirSync(FOLDER, { recursive: true })
await buildDashboardIfStale({ info: console.log, error: console.error })
const database = await createScratchDatabase()
const server = await PageServer.start(database, createDemoTasks())
try {
  await writePast(database.pool)
  for (const look of Object.keys(LOOKS)) {
    const { running, listening, failed } = await writePresent(server)
    const screens: Screen[] = [
      ['task', `?task=${running}`, '.log .line'],
      ['overview', '', '.chart canvas'],
      ['list', '?view=tasks', 'tr[data-task]'],
      ['failed', `?task=${failed}`, '.log .line'],
      ['new', '?view=new&type=backfill_by_range', 'form'],
      ['types', '?view=types', 'tbody tr'],
      ['schedules', '?view=schedules', 'tbody tr'],
    ]
    await photograph(server, look, look === 'chinese' ? screens.slice(0, 3) : screens)
    // Their slots are for the next look.
    await server.app.tasks.cancelTask(listening)
    await server.app.tasks.waitFor(running)
  }
} finally {
  await server.remove()
}
