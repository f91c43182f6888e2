import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { SEARCH_WINDOW } from '../../src/engine/store/search.ts'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { findLayoutFaults } from './layout.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const { task } = createTaskRegistry()

let server: PageServer
let browser: WatchedBrowser
let page: Page
let database: TestDatabase

useAdminPage(
  {
    tasks: [...createDemoTasks(), task('mail:send')(() => {})],
    async prepare({ app: { tasks } }) {
      const created = await tasks.createTasks(
        [17, 18, 19].map((n) => ({
          task: 'send_invoice',
          params: { invoice: `INV-${n}` },
          ...(n === 18 && { createdBy: null, uniqueKey: 'only one' }),
        })),
      )
      for (const { taskId } of created) await tasks.waitFor(taskId)
      await tasks.createTask('watch_inbox', {}, { delayMs: 3_600_000 })
    },
  },
  (opened) => {
    ;({ server, browser, page, database } = opened)
  },
)

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const rows = () => page.locator('tr[data-task]')
const params = () => new URL(page.url()).searchParams

test('the search takes a part of a type, or a name and a value of a param', async () => {
  await visit('?view=tasks')
  await page.getByLabel('Search').fill('NBOX')
  await expect.poll(() => rows().count()).toBe(1)
  await page.getByLabel('Search').fill('invoice:INV-17')
  await page.getByText('1 found in 4 tasks').waitFor()
  await rows().getByText('invoice INV-17 has no address').waitFor()
  expect(params().get('param')).toBe('invoice:INV-17')
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect.poll(() => rows().count()).toBe(4)
})

test('error text, creator, key and executor are fields, and the address says what is searched', async () => {
  await visit('?view=tasks')
  await page.getByRole('button', { name: 'More filters' }).click()
  const fill = async (label: string, value: string) => {
    await page.getByLabel(label, { exact: true }).fill(value)
    await page.getByLabel(label, { exact: true }).press('Enter')
  }
  await fill('Error text', 'inv-18')
  await expect.poll(() => rows().count()).toBe(1)
  await fill('Error text', '')
  await fill('Unique key', 'only one')
  await expect.poll(() => rows().count()).toBe(1)
  const { executorId } =
    (await server.app.tasks.getTask((await rows().getAttribute('data-task')) ?? '')) ?? {}
  await fill('Unique key', '')
  await fill('Executor', executorId ?? '')
  await expect.poll(() => rows().count()).toBe(3)
  await fill('Executor', 'nonsense')
  await page.getByText(/must be the id of an executor/).waitFor()
  browser.forgive(/status of 400/)
  await fill('Executor', '')
  await fill('Creator', 'nobody')
  await page.getByText('No task matches').waitFor()
  expect(params().get('by')).toBe('nobody')
})

test('the list is sorted by how long tasks ran and the like, and says among which', async () => {
  await database.pool.query(
    `update async_tasks set started_at = completed_at - interval '2 hours'
      where task_id = (select task_id from async_task_params where value = '"INV-17"')`,
  )
  await visit('?view=tasks')
  await page.getByLabel('Sort by').selectOption('Longest run')
  await expect.poll(() => rows().first().textContent()).toContain('INV-17')
  expect(params().get('sort')).toBe('duration')
  await page.getByText(/^4 found in 4 tasks · nothing older is left$/).waitFor()
})

test('periods set when tasks were created: the last 15 minutes, the last hour, last night', async () => {
  await visit('?view=tasks')
  await page.getByRole('button', { name: '15 min' }).click()
  await expect.poll(() => rows().count()).toBe(4)
  expect(Math.abs(Date.now() - 15 * 60_000 - Date.parse(params().get('after') ?? ''))).toBeLessThan(60_000)
  await page.getByRole('button', { name: 'Last night' }).click()
  await expect.poll(() => new Date(params().get('after') ?? '').getHours()).toBe(20)
  const before = params().get('before')
  if (before !== null) expect(new Date(before).getHours()).toBe(8)
})

test('a search goes on by itself until it finds something, and says how far it went', async () => {
  await database.pool.query(
    `insert into async_tasks (task_id, task_type, status, created_at, completed_at, error_message)
     select 'task_w' || n, 'bulk', 'failed', now() - interval '1 day' - n * interval '1 second', now(),
            case when n = ${SEARCH_WINDOW + 1_000} then 'the needle' else 'hay' end
       from generate_series(1, ${2 * SEARCH_WINDOW}) n`,
  )
  await visit('?error=needle')
  await page.getByText(`1 found in ${(SEARCH_WINDOW * 2).toLocaleString('en')} tasks`).waitFor()
  await page.locator(`tr[data-task="task_w${SEARCH_WINDOW + 1_000}"]`).waitFor()
  // All that match are more than it has seen.
  await page.getByLabel('Select all on this page').check()
  expect(await page.getByRole('button', { name: /that match/ }).count()).toBe(0)
  await visit('?error=no%20such%20text')
  await page.getByText(/^Nothing found in 40,0\d\d tasks$/).waitFor()
  await page.getByText('nothing older is left').waitFor()
})

test('a search that fails once goes on where it was', async () => {
  const cursors: (string | null)[] = []
  const isSearch = (url: URL) => url.pathname.endsWith('/tasks') && url.searchParams.has('error')
  await page.route(isSearch, (route) => {
    cursors.push(new URL(route.request().url()).searchParams.get('cursor'))
    return cursors.length === 2 ? route.fulfill({ status: 503, body: 'away' }) : route.continue()
  })
  await visit('?error=no%20such%20text%20either')
  await page.getByText(/^Nothing found in 40,0\d\d tasks$/).waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  browser.forgive(/status of 503/)
  expect(cursors.filter((cursor) => cursor === null)).toHaveLength(1)
})

test('at no width anything is cut off', async () => {
  await visit('?error=address&sort=duration')
  await rows().first().waitFor()
  for (const width of [390, 768, 1440, 1920]) {
    await page.setViewportSize({ width, height: 900 })
    if (width === 390) await page.getByRole('button', { name: 'Filters', exact: true }).click()
    expect(await findLayoutFaults(page), `${width} px`).toEqual([])
  }
})

test('a pause after a space does not take the space away', async () => {
  await visit('?view=tasks')
  await page.getByLabel('Search').pressSequentially('invoice:INV ')
  await expect.poll(() => params().get('param')).toBe('invoice:INV')
  await page.keyboard.type('17')
  await expect.poll(() => params().get('param')).toBe('invoice:INV 17')
})

test('a type with a colon in its name is found by it, in the field and in the commands', async () => {
  await visit('?view=tasks')
  await page.getByLabel('Search').fill('MAIL:se')
  await expect.poll(() => params().get('q')).toBe('MAIL:se')
  await page.keyboard.press('ControlOrMeta+k')
  const palette = page.getByRole('dialog', { name: 'Commands' })
  await palette.getByRole('combobox').fill('mail:send')
  await palette.getByText('Search tasks for mail:send').click()
  await expect.poll(() => params().get('q')).toBe('mail:send')
  expect(params().get('param')).toBeNull()
})
