import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { TestDatabase } from '../support/database.ts'
import { logIn, openPage, type PageServer } from './admin-page.ts'
import { Hand } from './hand.ts'
import { LATER_PENDING, type Night } from './night.ts'
import { FAILED_BACKFILLS } from './night-tasks.ts'
import { useNight } from './use-night.ts'

let server: PageServer
let page: Page
let database: TestDatabase
let night: Night

useNight(20_000, (opened, played) => {
  ;({ server, page, database } = opened)
  night = played
})

const MAX_CLICKS = 4
const rowsOf = (hand: Hand) => hand.page.locator('tr[data-task]')
const backfills = (hand: Hand) =>
  hand.page.locator('table.errors tbody tr', { hasText: 'the exchange answered' })

const isHealthy = async ({ page }: Hand) => {
  const health = page.getByRole('region', { name: 'Health' })
  await health.getByText('Needs a look').waitFor()
  await health.getByText(/of the \d+ tasks that ended in the last 5 minutes failed/).waitFor()
}

const whyItFailed = async (hand: Hand) => {
  await hand.goTo('Errors')
  await hand.click(backfills(hand).getByRole('link', { name: /^Latest task/ }))
  await hand.page.locator('.error-card').getByText('tasks/backfill.js:31:11').waitFor()
  await hand.page.locator('.log .line', { hasText: 'giving up' }).waitFor()
  await hand.page.getByText('"2026-', { exact: false }).first().waitFor()
}

const sameError = async (hand: Hand) => {
  await hand.goTo('Errors')
  await hand.click(backfills(hand).getByRole('link', { name: new RegExp(`^Show ${FAILED_BACKFILLS} tasks`) }))
  await hand.page.getByText(`50 of ${FAILED_BACKFILLS}`).waitFor()
  await hand.page.locator('.chip', { hasText: 'the exchange answered # for <date>' }).waitFor()
}

const whyItWaits = async (hand: Hand) => {
  await hand.goTo('Tasks')
  await hand.click(
    hand.page.getByRole('navigation', { name: 'Status' }).getByRole('link', { name: /^Pending/ }),
  )
  await rowsOf(hand)
    .first()
    .getByText(/^(Its type is paused|due in )/)
    .first()
    .waitFor()
  await hand.page.getByText('Its type is paused').first().waitFor()
}

const byParam = async (hand: Hand) => {
  const { rows } = await database.pool.query(
    `select task_id, value from async_task_params where key = 'invoice' order by id limit 1`,
  )
  const [{ task_id: taskId, value }] = rows
  await hand.goTo('Tasks')
  await hand.type(hand.page.getByLabel('Search'), `invoice:${JSON.parse(value)}`)
  await hand.click(hand.page.locator(`tr[data-task="${taskId}"] .task-link`))
  await hand.page.getByRole('heading', { level: 1, name: 'send_invoice' }).waitFor()
}

const slowest = async (hand: Hand) => {
  const { rows } = await database.pool.query(
    `select task_id from async_tasks where started_at is not null
      order by coalesce(completed_at, cancelled_at, now()) - started_at desc limit 1`,
  )
  await hand.goTo('Tasks')
  await hand.choose(hand.page.getByLabel('Sort by'), 'Longest run')
  await expect.poll(() => rowsOf(hand).first().getAttribute('data-task')).toBe(rows[0].task_id)
}

const whatAnExecutorDoes = async (hand: Hand) => {
  await hand.click(hand.page.locator('.tile-executors').getByRole('link', { name: / · 7002$/ }))
  const running = hand.page.getByRole('list', { name: 'Running' })
  await running.locator(`a[href*="${night.running}"]`).waitFor()
  await hand.page.getByRole('img', { name: /a lane for each slot/ }).waitFor()
}

const whichIsStuck = async (hand: Hand) => {
  await hand.click(hand.page.getByRole('region', { name: 'Health' }).getByRole('link', { name: night.stuck }))
  await hand.page.getByText('The handler ignores its signal').waitFor()
}

const historyOfAttempts = async (hand: Hand) => {
  await hand.goTo('Tasks')
  await hand.choose(hand.page.getByLabel('Sort by'), 'Most attempts')
  await hand.click(hand.page.locator(`tr[data-task="${night.lost}"] .task-link`))
  const attempts = hand.page.locator('.attempts')
  await attempts.getByText('lost with its process').waitFor()
  await attempts.getByText('· 7003').waitFor()
  await attempts.getByText('completed').waitFor()
}

const whoDidThat = async (hand: Hand) => {
  await hand.goTo('Activity')
  for (const what of ['Task cancelled', 'Type paused']) {
    await hand.row(new RegExp(what)).filter({ hasText: 'Mia' }).first().waitFor()
  }
  await hand.choose(hand.page.getByLabel('What'), 'Task deleted')
  await hand.row(new RegExp(`Mia.*Task deleted.*${night.deleted}`)).waitFor()
}

const shareALink = async (hand: Hand) => {
  await sameError(hand)
  const other = await openPage(server, { query: new URL(hand.page.url()).search })
  try {
    await logIn(other.page)
    await other.page.getByText(`50 of ${FAILED_BACKFILLS}`).waitFor()
  } finally {
    await other.browser.close()
  }
}

const retryThem = async (hand: Hand) => {
  await hand.goTo('Errors')
  await hand.click(backfills(hand).getByRole('button', { name: /^Retry/ }))
  await hand.click(
    hand.page.getByRole('dialog').getByRole('button', { name: `Retry ${FAILED_BACKFILLS} tasks` }),
  )
  await hand.page.locator('.toast', { hasText: `${FAILED_BACKFILLS} tasks pending again` }).waitFor()
  const left = `select from async_tasks where task_type = 'backfill' and status <> 'completed'`
  await expect.poll(async () => (await database.pool.query(left)).rowCount).toBe(0)
}

const cancelPending = async (hand: Hand) => {
  await hand.goTo('Types')
  const row = hand.row(/send_reminder/)
  await hand.click(row.getByRole('button', { name: /^Pause and cancel pending/ }))
  await hand.click(
    hand.page.getByRole('dialog').getByRole('button', { name: `Cancel ${LATER_PENDING} tasks` }),
  )
  await hand.page.locator('.toast', { hasText: `${LATER_PENDING} tasks cancelled` }).waitFor()
  await hand.click(row.getByRole('button', { name: /^Resume/ }))
  await row.getByText('Active').waitFor()
}

const stopAType = async (hand: Hand) => {
  await hand.goTo('Types')
  const row = hand.row(/sync_prices/)
  await hand.click(row.getByRole('button', { name: /^Pause sync_prices/ }))
  await row.getByText('Paused', { exact: true }).waitFor()
  const types = await server.app.tasks.listTaskTypes()
  expect(types.find(({ taskType }) => taskType === 'sync_prices')?.paused).toBe(true)
}

/** What somebody on call has to find or do, from the first page on; those that change something come last. */
const ON_CALL: [what: string, clicks: number, done: (hand: Hand) => Promise<void>][] = [
  ['is the queue healthy, and if not, why', 0, isHealthy],
  ["why did last night's backfill fail", 2, whyItFailed],
  ['all failures with the same error', 2, sameError],
  ['why does this task wait', 2, whyItWaits],
  ['find a task by a value of its params', 3, byParam],
  ['the slowest tasks', 3, slowest],
  ['what is one executor doing', 1, whatAnExecutorDoes],
  ['which task is stuck', 1, whichIsStuck],
  ['the history of all attempts', 4, historyOfAttempts],
  ['who cancelled, paused and deleted', 3, whoDidThat],
  ['share what one sees as a link', 2, shareALink],
  ['retry 241 failed tasks', 3, retryThem],
  ['cancel all pending tasks of a type', 4, cancelPending],
  ['stop a type', 2, stopAType],
]

test.each(ON_CALL)('on call: %s, in %i clicks', async (_what, clicks, done) => {
  const hand = await Hand.at(server, page)
  await done(hand)
  expect(hand.clicks).toBe(clicks)
  expect(hand.clicks).toBeLessThanOrEqual(MAX_CLICKS)
})
