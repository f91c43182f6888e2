import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { useAdminPage } from './use-admin-page.ts'

const hello = createTaskRegistry().task('hello')(() => 'world')
const ADA = { id: 'u-ada', name: 'Ada <b>L</b>' }

let server: PageServer
let page: Page
let database: TestDatabase
let taskId: string

useAdminPage(
  {
    tasks: [hello],
    async prepare({ app: { tasks } }) {
      ;({ taskId } = await tasks.createTask(hello, {}, { delayMs: 3_600_000, actor: ADA }))
      await tasks.updateTask(taskId, { priority: 3 }, { actor: ADA })
      await tasks.deleteTask(taskId, { actor: { id: 'u-bob' } }).catch(() => {})
      await tasks.pauseTaskType('hello', { actor: { id: 'u-bob' } })
    },
  },
  (opened) => {
    ;({ server, page, database } = opened)
  },
)

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const rows = (on: Page) => on.locator('table.activity tbody tr')

test('who changed what is listed, newest first, with what was refused', async () => {
  await visit('')
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Activity' }).click()
  await page.getByRole('heading', { name: 'Activity' }).waitFor()
  const own = rows(page).filter({ hasText: /Ada|u-bob/ })
  await expect.poll(() => own.count()).toBe(4)
  const texts = await own.allInnerTexts()
  expect(texts[0]).toMatch(/u-bob[\s\S]*Type paused[\s\S]*hello[\s\S]*done/)
  expect(texts[1]).toMatch(/u-bob[\s\S]*Task deleted[\s\S]*TASK_NOT_FINISHED/)
  expect(texts[3]).toMatch(/Ada <b>L<\/b>[\s\S]*Task created[\s\S]*done/)
})

test('it can be filtered by who, what and which, and the address says so', async () => {
  await visit('?view=activity')
  await page.getByLabel('Id of a user').fill('u-bob')
  await page.getByLabel('Id of a user').press('Enter')
  await expect.poll(() => rows(page).count()).toBe(2)
  await page.getByLabel('What').selectOption('Task deleted')
  await expect.poll(() => rows(page).count()).toBe(1)
  expect(page.url()).toContain('actor=u-bob&action=task.delete')
  await page.getByRole('button', { name: 'Clear' }).click()
  await rows(page).filter({ hasText: 'Task changed' }).getByRole('link', { name: /^Only/ }).click()
  await expect.poll(() => rows(page).count()).toBe(3)
  expect(page.url()).toContain(`subject=${taskId}`)
})

test('a change on the page is there at once, and the task leads to its activity', async () => {
  await visit(`?task=${taskId}`)
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await expect.poll(async () => (await server.app.tasks.getTask(taskId))?.status).toBe('cancelled')
  await page.getByRole('link', { name: 'Activity of this task' }).click()
  await rows(page).filter({ hasText: 'Task cancelled' }).filter({ hasText: 'admin' }).waitFor()
})

test('older entries are a page away', async () => {
  await database.pool.query(
    `insert into async_task_audit (at, actor_id, action, subject, outcome)
     select now() - interval '1 day' - n * interval '1 second', 'u-old', 'task.create', 'task_' || n, 'ok'
       from generate_series(1, 150) n`,
  )
  await visit('?view=activity&actor=u-old')
  await expect.poll(() => rows(page).count()).toBe(100)
  await page.getByRole('button', { name: 'Older' }).click()
  await expect.poll(() => rows(page).count()).toBe(50)
  await page.goBack()
  await expect.poll(() => rows(page).count()).toBe(100)
})
