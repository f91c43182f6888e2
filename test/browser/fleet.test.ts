import type { Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { createDatabase } from '../../src/db/database.ts'
import { addEnd, addRun, noFigures } from '../../src/engine/definition/figures.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { addFigures } from '../../src/engine/store/figures.ts'
import type { TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'
import type { PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { findLayoutFaults } from './layout.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

/** As long as a name may be. */
const LONG = 'a_type_with_a_long_name_'.repeat(5).slice(0, 100)
const DEAD = '00000000-0000-4000-8000-00000000dead'
const { task } = createTaskRegistry()
const gate = createGate()
const broken = task('broken', { maxRetries: 0 })(() => {
  throw new Error('broken')
})
const held = task(LONG, { concurrency: 1 })(() => gate.opened)

let server: PageServer
let browser: WatchedBrowser
let page: Page
let database: TestDatabase
let failed: string[]

/** In each of the last minutes, one of four failed. */
async function writePast({ pool, prepared, schema }: TestDatabase): Promise<void> {
  const figures = noFigures()
  for (let n = 0; n < 40; n += 1) {
    addEnd(figures, n % 4 === 0 ? 'failed' : 'completed')
    addRun(figures, 2_000)
  }
  const past = Array.from({ length: 30 }, (_, minute) => ({
    ...{ ageMs: minute * 60_000, taskType: 'send_invoice', figures },
  }))
  await addFigures(createDatabase(pool, { prepared, schema }), 0, past)
  await pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
     values ($1, $2, 7, '0.0.1', 2, array[$3], 30000, now() - interval '18 minutes')`,
    [DEAD, `host-${'x'.repeat(80)}`, LONG],
  )
}

useAdminPage(
  {
    tasks: [...createDemoTasks(), held, broken],
    async prepare({ app: { tasks } }, db) {
      await writePast(db)
      await tasks.createTask(held)
      failed = (await tasks.createTasks([{ task: broken }, { task: broken }])).map(({ taskId }) => taskId)
      for (const taskId of failed) await tasks.waitFor(taskId)
      await tasks.createTask(held, {}, { delayMs: 3_600_000 })
      await tasks.createSchedule({
        name: 'nightly',
        cron: '0 2 * * *',
        timeZone: 'Asia/Shanghai',
        task: held,
      })
    },
  },
  (opened) => {
    ;({ server, browser, page, database } = opened)
  },
)

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const button = (name: string | RegExp) => page.getByRole('button', { name })
const row = (name: string | RegExp) => page.getByRole('row', { name })

test('each type shows rate, failures, times, what waits and its limit in use, and leads to its page', async () => {
  await visit('?view=types')
  const invoices = row(/send_invoice/)
  await invoices.getByText('20 / min').waitFor()
  await invoices.getByRole('img', { name: '1,200 ended, 300 of them failed' }).waitFor()
  await invoices.getByRole('link', { name: '25%' }).waitFor()
  const long = row(new RegExp(LONG))
  await long.getByText('1 / 1').waitFor()
  await long.getByText('1 later').waitFor()
  await invoices.getByRole('link', { name: 'send_invoice', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'send_invoice' }).waitFor()
  await page.locator('.chart canvas').first().waitFor()
  await page.getByText('invoice', { exact: true }).waitFor()
  expect(new URL(page.url()).search).toBe('?view=types&type=send_invoice&range=1h')
})

test('a rate is that of its figures while those of another range are read', async () => {
  for (const query of ['?view=types', '?view=types&type=send_invoice']) {
    await visit(query)
    await page.getByText('20 / min').waitFor()
    const isOfDay = (url: URL) =>
      url.searchParams.get('range') === '24h' && url.pathname.includes('/overview')
    const held: Route[] = []
    await page.route(isOfDay, (route) => void held.push(route))
    await page.getByRole('link', { name: '24 h' }).click()
    await expect.poll(() => held.length).toBeGreaterThan(0)
    expect(await page.getByText('20 / min').count()).toBe(1)
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await Promise.allSettled(held.map((route) => route.continue()))
    await page.getByText('50 / h').waitFor()
  }
})

test('a type is paused with its pending tasks cancelled, and tells who has paused it', async () => {
  await visit(`?view=types&type=${LONG}`)
  await button(/^Pause and cancel pending/).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('cancel 1 task?').waitFor()
  await dialog.getByRole('button', { name: 'Cancel 1 task' }).click()
  await page.getByText('1 task cancelled').waitFor()
  await page.getByText(/Paused by admin/).waitFor()
  const { tasks } = await server.app.tasks.listTasks({ taskType: LONG })
  expect(tasks.map(({ status }) => status).sort()).toEqual(['cancelled', 'running'])
  await button(/^Resume/).click()
  await page.getByText('Active').waitFor()
})

test('failed tasks of a type are retried from its row, once each', async () => {
  const { tasks } = server.app
  await visit('?view=types')
  await row(/broken/)
    .getByRole('button', { name: /^Retry failed/ })
    .click()
  await page.getByRole('dialog').getByRole('button', { name: 'Retry 2 tasks' }).click()
  await page.getByText('2 tasks pending again').waitFor()
  for (const taskId of failed) {
    await expect.poll(async () => (await tasks.getTask(taskId))?.attempts.length).toBe(2)
    await tasks.waitFor(taskId)
  }
})

test('more failed tasks of a type than are counted are not said to be all', async () => {
  // Ended tasks are counted up to 10,000.
  await database.pool.query(
    `insert into async_tasks (task_id, task_type, status, created_at, completed_at, error_message)
     select 'task_' || md5(n::text), 'left_over', 'failed', now(), now(), 'broken' from generate_series(1, 11000) n`,
  )
  await visit('?view=types&type=left_over')
  await button(/^Retry failed/).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Retry 10,000 tasks' }).click()
  await page.getByText('10,000 tasks pending again. More tasks match').waitFor()
  await database.pool.query(`delete from async_tasks where task_type = 'left_over'`)
})

test('an executor shows what runs and ran in its lanes, and since when a dead one is silent', async () => {
  await visit('?view=executors')
  const own = page.locator('.executor').filter({ hasText: 'heartbeat' }).first()
  await own.getByRole('list', { name: 'Running' }).getByRole('link', { name: LONG }).waitFor()
  // Runs are written every five seconds.
  const bars = own.locator('.run-failed')
  await expect.poll(() => bars.count()).toBeGreaterThan(0)
  await page.locator('.executor.is-dead', { hasText: /no heartbeat for \d+ min/ }).waitFor()
  await own.getByText('Show as a table').click()
  await own
    .getByRole('row', { name: /broken/ })
    .first()
    .waitFor()
  await bars.last().click()
  await page.getByRole('heading', { level: 1, name: 'broken' }).waitFor()
})

test('of an executor with many slots each run has its lane, and all that run can be shown', async () => {
  const id = '00000000-0000-4000-8000-000000000064'
  await database.pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
     values ($1, 'wide', 64, '0.0.1', 64, '{}', 3600000, now())`,
    [id],
  )
  await database.pool.query(
    `insert into async_tasks (task_id, task_type, status, attempt, executor_id, created_at, started_at)
     select 'task_' || md5('wide' || n), 'wide', 'running', 1, $1, now(), now() - interval '1 minute'
       from generate_series(1, 64) n`,
    [id],
  )
  await visit(`?view=executors&executor=${id}`)
  const bars = page.locator('.run-running')
  await expect.poll(() => bars.count()).toBe(64)
  const tops = await bars.evaluateAll((all) => all.map((bar) => bar.getAttribute('y')))
  expect(new Set(tops).size).toBe(64)
  await button('Show 44 more').click()
  const running = page.getByRole('list', { name: 'Running' }).getByRole('link')
  await expect.poll(() => running.count()).toBe(64)
  await database.pool.query(`delete from async_tasks where task_type = 'wide'`)
  await database.pool.query('delete from async_task_executors where executor_id = $1', [id])
})

test('a stuck handler leads to its task', async () => {
  const { tasks } = await server.app.tasks.listTasks({ taskType: LONG, status: ['running'] })
  const taskId = tasks[0]?.taskId ?? ''
  await database.pool.query('update async_task_executors set stuck = array[$1] where executor_id = $2', [
    taskId,
    DEAD,
  ])
  await visit(`?view=executors&executor=${DEAD}`)
  await page.getByRole('link', { name: taskId }).click()
  await page.getByRole('heading', { level: 1, name: LONG }).waitFor()
})

test('a schedule shows its newest ticks, the next five in its time zone, and why a tick made no task', async () => {
  await database.pool.query(
    `update async_task_schedules set recent_ticks = array[$1, $2] where name = 'nightly'`,
    [
      { at: '2026-01-01T18:00:00Z', taskId: 'task_gone', error: null },
      { at: '2026-01-02T18:00:00Z', taskId: null, error: 'INVALID_PARAMS: /day: \u202eexpected string' },
    ].map((tick) => JSON.stringify(tick)),
  )
  await visit('?view=schedules')
  await row(/nightly/)
    .getByRole('button', { name: 'Ticks of nightly' })
    .click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('INVALID_PARAMS: /day: ⟨U+202E⟩expected string').waitFor()
  await dialog.getByText('task deleted since').waitFor()
  await expect.poll(() => dialog.locator('.next-ticks li').count()).toBe(5)
  expect(await dialog.locator('.next-ticks li').first().textContent()).toContain('02:00:00 GMT+8')
  expect(await page.locator('.tick-none').count()).toBe(1)
})

test('an expression is read while it is typed', async () => {
  await visit('?view=schedules')
  await button('New schedule').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Cron').fill('30 17 * * 1-5')
  await dialog.getByLabel('Time zone').fill('Asia/Shanghai')
  await expect.poll(() => dialog.locator('.next-ticks li').count()).toBe(5)
  expect(await dialog.locator('.next-ticks li').first().textContent()).toContain('17:30:00 GMT+8')
  await dialog.getByText('At 17:30, Monday through Friday').waitFor()
  await dialog.getByLabel('Cron').fill('61 17 * * 1-5')
  await dialog.locator('.cron-problem').waitFor()
  await dialog.getByLabel('Cron').fill('0 0 30 2 *')
  await dialog.getByText('Never').waitFor()

  await page.evaluate("localStorage.setItem('tasks.language', 'zh')")
  await visit('?view=schedules')
  await button('新建定时任务').click()
  await dialog.getByLabel('Cron').fill('30 17 * * 1-5')
  await dialog.getByText('在 17:30，星期一至星期五').waitFor()
  await page.evaluate("localStorage.removeItem('tasks.language')")
})

test('nothing is cut off at any width, with the longest names', async () => {
  const pages: [query: string, ready: string][] = [
    ['?view=types', 'tbody tr'],
    [`?view=types&type=${LONG}`, '.chart-card'],
    ['?view=executors', '.lanes'],
    ['?view=schedules', '.tick-strip'],
  ]
  for (const [query, ready] of pages) {
    await visit(query)
    await page.locator(ready).first().waitFor()
    for (const width of [390, 768, 1440, 1920]) {
      await page.setViewportSize({ width, height: 900 })
      // Charts take their new width in the next frame.
      await expect.poll(() => findLayoutFaults(page), { message: `${query} at ${width}` }).toEqual([])
    }
  }
  gate.open()
  expect(browser.misdeeds).toEqual([])
})
