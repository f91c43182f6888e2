import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { TestDatabase } from '../support/database.ts'
import { logIn, openPage, type PageServer } from './admin-page.ts'
import { type Night, PAUSED_PENDING } from './night.ts'
import { FAILED_BACKFILLS } from './night-tasks.ts'
import { useNight } from './use-night.ts'

const TASKS = 100_000

let server: PageServer
let page: Page
let database: TestDatabase
let night: Night

useNight(TASKS, (opened, played) => {
  ;({ server, page, database } = opened)
  night = played
})

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)

/** What the table says. */
async function ask<T>(text: string): Promise<T> {
  const { rows } = await database.pool.query(text)
  return rows[0]
}

test('is it healthy, and if not, why', async () => {
  await visit('')
  const health = page.getByRole('region', { name: 'Health' })
  await health.getByText('Needs a look').waitFor()
  for (const reason of [
    /^\d+ of the \d+ tasks that ended in the last 5 minutes failed\.$/,
    '1 executor died in the last 10 minutes.',
    '1 handler ignored the signal to stop, and each keeps its slot.',
    'The last tick of 1 schedule created no task.',
  ]) {
    await health.getByText(reason).waitFor()
  }
})

test('what fails, how often, and since when', async () => {
  await visit('?view=errors')
  const { rows } = await database.pool.query<{ type: string; n: number; first: Date }>(
    `select task_type as type, count(*)::int as n, min(completed_at) as first
       from async_tasks where status = 'failed' group by 1`,
  )
  expect(rows.map(({ type }) => type).sort()).toEqual(['backfill', 'send_invoice', 'sync_prices'])
  const groups = page.locator('table.errors tbody tr')
  await groups.first().waitFor()
  for (const { type, n, first } of rows) {
    const group = groups.filter({ hasText: type })
    await group.getByRole('cell', { name: n.toLocaleString('en'), exact: true }).waitFor()
    const since = await group.locator('time').first().getAttribute('datetime')
    // Failures of long ago are counted in quarters of an hour.
    expect(Math.abs(Date.parse(since ?? '') - first.getTime())).toBeLessThan(900_000)
  }
})

test('why did the backfills fail', async () => {
  await visit('?view=errors&type=backfill')
  await page.getByRole('link', { name: /^Latest task/ }).click()
  const error = page.locator('.error-card')
  await error.getByText(/^the exchange answered 503 for 2026-/).waitFor()
  await error.getByText('at backfill (file:///srv/shop/tasks/backfill.js:31:11)').waitFor()
})

test('how many tasks ended that night, and how', async () => {
  const { completed, failed } = await ask<{ completed: number; failed: number }>(
    `select count(*) filter (where status = 'completed')::int as completed,
            count(*) filter (where status = 'failed')::int as failed from async_tasks`,
  )
  expect(completed + failed).toBeGreaterThanOrEqual(TASKS)
  await visit('?range=24h&view=overview')
  const chart = page.locator('.chart-card', { hasText: 'Throughput' }).getByRole('img')
  const words = `${completed.toLocaleString('en')} completed, ${failed.toLocaleString('en')} failed, `
  // What ran while the night was put in is counted within five seconds.
  await expect.poll(() => chart.getAttribute('aria-label')).toContain(words)
})

test('what waits, and for what', async () => {
  await visit('')
  const waiting = page.locator('.tile', { hasText: 'Waiting for a slot' })
  await expect
    .poll(() => waiting.textContent())
    .toMatch(new RegExp(`${PAUSED_PENDING} tasks of paused types`))
})

test('who paused which type', async () => {
  await visit('?view=types')
  const paused = page.getByRole('row').filter({ has: page.getByText('Paused', { exact: true }) })
  await paused.getByRole('link', { name: 'export_report', exact: true }).click()
  await page.getByRole('link', { name: /^Paused by Mia/ }).waitFor()
})

test('which executor died, since when, and what it had run', async () => {
  await visit('')
  const died = page.getByRole('listitem').filter({ hasText: 'executor died' })
  await died.getByRole('link').click()
  const dead = page.locator('.executor.is-dead', { hasText: '7003' })
  await dead.getByText(/^no heartbeat for \d+ min/).waitFor()
  await dead.locator('[data-task="task_night1"]').waitFor({ state: 'attached' })
})

test('which handler ignores its signal', async () => {
  await visit('')
  const stuck = page.getByRole('listitem').filter({ hasText: 'ignored the signal' })
  await stuck.getByRole('link', { name: night.stuck }).click()
  await page.locator('.task-title', { hasText: night.stuck }).waitFor()
  await page.getByText('The handler ignores its signal').waitFor()
})

test('which schedule makes no task, and why', async () => {
  await visit('?view=schedules')
  const schedule = page.getByRole('row', { name: /close_books/ }).first()
  await schedule.getByText(/^The last run made no task: .*month/).waitFor()
})

test('where is the task with that param, hours ago', async () => {
  const { taskId, value } = await ask<{ taskId: string; value: string }>(
    `select task_id as "taskId", value from async_task_params where key = 'invoice' order by id limit 1`,
  )
  await visit('?view=tasks')
  await page.getByLabel('Search').fill(`invoice:${JSON.parse(value)}`)
  await page.locator(`tr[data-task="${taskId}"]`).waitFor()
  expect(await page.locator('tr[data-task]').count()).toBe(1)
})

test('what somebody sees is a link for everybody', async () => {
  await visit('?status=failed&type=backfill&sort=duration')
  const first = page.locator('tr[data-task]').first()
  await first.waitFor()
  const taskId = await first.getAttribute('data-task')
  const other = await openPage(server, { query: new URL(page.url()).search })
  try {
    await logIn(other.page)
    await other.page.locator('tr[data-task]').first().waitFor()
    expect(await other.page.locator('tr[data-task]').first().getAttribute('data-task')).toBe(taskId)
    await other.page.getByText(new RegExp(`^${FAILED_BACKFILLS} found in`)).waitFor()
  } finally {
    await other.browser.close()
  }
})
