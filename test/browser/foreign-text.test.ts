import path from 'node:path'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { addUser } from '../http/bundled-server.ts'
import { addErrors } from '../support/add-errors.ts'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { createHostileTasks, HOSTILE_PARAMS, HUGE, LONG_TYPE, LONG_WORD, OVERRIDE } from './hostile-tasks.ts'
import { findLayoutFaults } from './layout.ts'
import { useAdminPage } from './use-admin-page.ts'

/** Pictures for the eye go there, if it is set. */
const PICTURES = process.env.FOREIGN_TEXT_PICTURES

let database: TestDatabase
let server: PageServer
let page: Page
const ids = { failed: '', running: '', pending: '', spoofed: '' }

useAdminPage(
  {
    tasks: createHostileTasks(),
    async prepare(server, database) {
      const { tasks } = server.app
      ids.failed = (await tasks.createTask(LONG_TYPE, HOSTILE_PARAMS, { uniqueKey: 'u'.repeat(255) })).taskId
      await tasks.waitFor(ids.failed)
      ids.running = (await tasks.createTask(`${LONG_TYPE.slice(0, 96)}_run`, {})).taskId
      ids.pending = (
        await tasks.createTask(
          LONG_TYPE,
          {},
          { runAt: new Date(Date.now() + 3_600_000), uniqueKey: OVERRIDE },
        )
      ).taskId
      ids.spoofed = (
        await tasks.createTask(LONG_TYPE, {}, { runAt: new Date(Date.now() + 3_600_000) })
      ).taskId
      // What a definition may not be called, a row may.
      await database.pool.query('update async_tasks set task_type = $1 where task_id = $2', [
        `type${OVERRIDE}`,
        ids.spoofed,
      ])
      await tasks.createSchedule({
        name: `s${'_long'.repeat(19)}`,
        cron: '0 0 1 1 *',
        timeZone: 'America/Argentina/ComodRivadavia',
        task: 'described',
        params: { mode: OVERRIDE },
      })
      await database.pool.query(`update async_task_schedules set last_error = $1`, [
        `${OVERRIDE} ${'e'.repeat(900)}`,
      ])
      await database.pool.query(
        `insert into async_task_audit (actor_id, actor_name, action, subject, outcome, request_id, address)
         select 'u' || n, $1 || repeat('n', 190), $1 || repeat('a', 90), repeat('s', 200), 'TASK_ALREADY_FINISHED', $1 || repeat('r', 190), repeat('f', 45)
           from generate_series(1, 3) n`,
        [OVERRIDE],
      )
      await addErrors(database, LONG_TYPE, [`cannot open ${LONG_WORD}`])
      await addUser(database, { username: `u${'_long'.repeat(12)}`, password: 'any' }, 'viewer')
      await database.pool.query(
        `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, started_at, heartbeat_at)
     select gen_random_uuid(), repeat('h', 200) || n, n, '1', 32, '{}', 30000, now(), now() - interval '20 minutes' from generate_series(1, 5) n`,
      )
    },
  },
  (opened) => {
    ;({ database, server, page } = opened)
  },
)

const SCREENS: [name: string, query: () => string, ready: string][] = [
  ['overview', () => `?view=overview&type=${LONG_TYPE}`, '.chart canvas'],
  ['list', () => '?view=tasks', 'tr[data-task]'],
  ['filtered list', () => `?type=${LONG_TYPE}`, 'tr[data-task]'],
  ['failed task', () => `?task=${ids.failed}`, '.log .line'],
  ['running task', () => `?task=${ids.running}`, '.progress-card'],
  ['pending task', () => `?task=${ids.pending}`, '.timeline'],
  ['task of another name', () => `?task=${ids.spoofed}`, '.timeline'],
  ['new task', () => '?view=new&type=described', 'form'],
  ['copy', () => `?view=new&from=${ids.failed}`, 'form'],
  ['types', () => '?view=types', 'tbody tr'],
  ['schedules', () => '?view=schedules', 'tbody tr'],
  ['activity', () => '?view=activity', 'tbody tr'],
  ['errors', () => '?view=errors', 'table.errors tbody tr'],
  ['type', () => `?view=types&type=${LONG_TYPE}`, '.chart-card'],
  ['executors', () => '?view=executors', '.executor'],
  ['account', () => '?view=account', 'tbody tr'],
  ['no match', () => `?q=${'q'.repeat(100)}&param=${'p'.repeat(100)}:x`, '.empty'],
]

/** With the longest names in them. */
const DIALOGS: [name: string, query: string, button: RegExp][] = [
  ['edit a schedule', '?view=schedules', /^Edit schedule: s_long/],
  ['delete a schedule', '?view=schedules', /^Delete: s_long/],
  ['ticks of a schedule', '?view=schedules', /^Ticks of s_long/],
  ['retry an error', '?view=errors', /^Retry/],
  ['pause a type and cancel', '?view=types', /^Pause and cancel pending/],
  ['new password of a user', '?view=account', /^New password/],
]

const WIDTHS = [390, 768, 1440, 1920]

/** Resizes the page to each width, and expects that what is read there becomes this. */
async function atEachWidth(name: string, read: () => Promise<unknown>, expected: unknown): Promise<void> {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 })
    await expect.poll(read, { message: `${name} at ${width} pixels` }).toEqual(expected)
    if (PICTURES) {
      const file = path.join(PICTURES, `${name.replaceAll(' ', '-')}-${width}.png`)
      await page.screenshot({ path: file, fullPage: true })
    }
  }
}

const findFaults = () => findLayoutFaults(page)

test.each(SCREENS)('nothing of the %s is cut off, covered or turned round', async (name, query, ready) => {
  await page.goto(`${server.origin}/admin/${query()}`)
  await page.locator(ready).first().waitFor()
  // The numbers of the header and the overview.
  await page.locator('.pill-slots').waitFor({ state: 'attached' })
  await atEachWidth(name, findFaults, [])
  const text = await page.evaluate(() => `${document.body.textContent}${document.title}`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be left
  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2066-\u2069]/)
})

test('a long step leaves percent and count on a line each', async () => {
  await page.goto(`${server.origin}/admin/?task=${ids.running}`)
  const numbers = page.locator('.progress-card .num')
  await page.getByText('10,000,000 / 10,000,000').waitFor()
  expect(await numbers.allTextContents()).toEqual(['100%', '10,000,000 / 10,000,000'])
  const countLines = () =>
    numbers.evaluateAll((all) =>
      all.map((one) => {
        const range = document.createRange()
        range.selectNodeContents(one)
        return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size
      }),
    )
  await atEachWidth('long step', countLines, [1, 1])
})

test('living executors come before dead ones, and none is cut off', async () => {
  await page.goto(`${server.origin}/admin/`)
  const lines = page.locator('.tile-executors li')
  await lines.first().waitFor()
  const isDead = await lines.evaluateAll((all) => all.map((one) => one.classList.contains('is-dead')))
  expect(isDead.length).toBeGreaterThan(1)
  expect(isDead[0]).toBe(false)
  await page.getByRole('button', { name: /^Show all \d+/ }).click()
  await expect.poll(() => lines.count()).toBe(6)
  const countHidden = () =>
    page.locator('.tile-executors').evaluate((tile) => {
      const { bottom } = tile.getBoundingClientRect()
      const list = tile.querySelector('ul')
      const cut = [...tile.querySelectorAll('li')].filter(
        (one) => one.getBoundingClientRect().bottom > bottom,
      )
      return cut.length + Math.max(0, (list?.scrollHeight ?? 0) - (list?.clientHeight ?? 0))
    })
  await atEachWidth('executors of the overview', countHidden, 0)
})

test('nothing of a selection is cut off, covered or turned round', async () => {
  await page.goto(`${server.origin}/admin/?view=tasks`)
  await page.getByLabel('Select all on this page').or(page.locator('.cell-select input')).last().check()
  await page.locator('.bulk').waitFor()
  await atEachWidth('selection', findFaults, [])
})

test.each(DIALOGS)('nothing of the dialog “%s” is cut off, covered or turned round', async (...dialog) => {
  const [name, query, button] = dialog
  await page.goto(`${server.origin}/admin/${query}`)
  await page.getByRole('button', { name: button, disabled: false }).first().click()
  await page.getByRole('dialog').waitFor()
  await atEachWidth(name, findFaults, [])
})

test('characters that turn text round are shown, and colour codes are not', async () => {
  await page.goto(`${server.origin}/admin/?task=${ids.failed}`)
  const log = page.locator('.log')
  await log.getByText('before ⟨U+202E⟩gnp.exe⟨U+202C⟩ after').waitFor()
  await log.getByText('green and red', { exact: true }).waitFor()
  await log.getByText('bell ␇, back ␈').waitFor()
  await page.locator('.error-card > pre').getByText('cannot open ⟨U+202E⟩gnp.exe').waitFor()
  // Text that runs from right to left by itself leaves what stands around it where it is.
  const isolation = await page
    .locator('.line-message bdi')
    .first()
    .evaluate((one) => getComputedStyle(one).unicodeBidi)
  expect(isolation).toMatch(/isolate/)
})

test('a failed task without an attempt was never started, one that waits is not started yet', async () => {
  const { taskId } = await server.app.tasks.createTask(LONG_TYPE, {}, { delayMs: 3_600_000 })
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await page.getByText('Not started yet').waitFor()
  await database.pool.query(
    `update async_tasks set status = 'failed', completed_at = now(), error_message = 'lost' where task_id = $1`,
    [taskId],
  )
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await page.getByText('Never started').waitFor()
  expect(await page.getByText('Not started yet').count()).toBe(0)
})

test('of many attempts, the page shows the newest 50, and how many there are before', async () => {
  const { taskId } = await server.app.tasks.createTask(LONG_TYPE, {}, { delayMs: 3_600_000 })
  await database.pool.query(
    `insert into async_task_attempts (task_id, attempt, executor_id, started_at, ended_at, outcome)
     select $1, n, gen_random_uuid(), now(), now(), 'interrupted' from generate_series(1, 57) n`,
    [taskId],
  )
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await page.getByText('7 earlier attempts are not shown').waitFor()
  expect(await page.getByText('Attempt 57', { exact: true }).count()).toBeGreaterThan(0)
})

test('a text of 500 kB is shown in part, and whole on demand', async () => {
  await page.goto(`${server.origin}/admin/?task=${ids.failed}`)
  const tree = page.locator('.json').first()
  await tree.waitFor()
  const lengthOf = () => tree.evaluate((one) => one.textContent?.length ?? 0)
  expect(await lengthOf()).toBeLessThan(20_000)
  await tree.getByRole('button', { name: /Show all 500,/ }).click()
  await expect.poll(lengthOf).toBeGreaterThan(HUGE.length)
  await tree.getByRole('button', { name: 'Show less' }).click()
  await expect.poll(lengthOf).toBeLessThan(20_000)
})
