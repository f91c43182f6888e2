import type { Page } from 'playwright-core'
import { addErrors } from '../support/add-errors.ts'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'

/** What the screens show. */
export interface ScreenIds {
  readonly failed: string
  readonly running: string
  readonly pending: string
  readonly group: string
  readonly executor: string
}

/** Something of every kind, by the handlers of `createDemoTasks`. */
export async function fillScreens(
  { app: { tasks } }: PageServer,
  database: TestDatabase,
): Promise<ScreenIds> {
  const actor = { id: 'u-mia', name: 'Mia' }
  const runAt = new Date(Date.now() + 3_600_000)
  const { taskId: failed } = await tasks.createTask('send_invoice', { invoice: 'A-17' })
  await tasks.waitFor(failed)
  const { taskId: running } = await tasks.createTask('watch_inbox', {})
  const { taskId: pending } = await tasks.createTask('watch_inbox', {}, { runAt, actor })
  const every = { name: 'Ada', size: 3, comment: null }
  await tasks.createTask('every_kind', every, { runAt })
  await tasks.pauseTaskType('every_kind', { actor })
  const schedule = { cron: '0 2 * * *', task: 'send_invoice', params: { invoice: 'S-1' } }
  await tasks.createSchedule({ name: 'nightly', ...schedule })
  await database.pool.query(
    `update async_task_schedules set last_error = 'params are invalid', recent_ticks = array[$1]`,
    [JSON.stringify({ at: '2026-01-01T18:00:00Z', taskId: failed, error: null })],
  )
  await addErrors(database, 'send_invoice', ['invoice A-17 has no address'])
  const [executor] = await tasks.listExecutors()
  const [group] = await tasks.listErrorGroups()
  return { failed, running, pending, group: group?.id ?? '', executor: executor?.id ?? '' }
}

export interface Screen {
  readonly name: string
  readonly query: (ids: ScreenIds) => string
  /** What is there when the screen is. */
  readonly ready: string
}

export const SCREENS: readonly Screen[] = [
  { name: 'overview', query: () => '', ready: '.chart canvas' },
  { name: 'overview of a week', query: () => '?view=overview&range=7d', ready: '.chart-card' },
  { name: 'list', query: () => '?view=tasks', ready: 'tr[data-task]' },
  { name: 'searched list', query: () => '?error=address&sort=duration', ready: 'tr[data-task]' },
  { name: 'empty list', query: () => '?status=cancelled', ready: '.empty' },
  { name: 'search without a result', query: () => '?param=invoice:none', ready: '.empty' },
  { name: 'failed task', query: ({ failed }) => `?task=${failed}`, ready: '.log .line' },
  { name: 'running task', query: ({ running }) => `?task=${running}`, ready: '.log .line' },
  { name: 'pending task', query: ({ pending }) => `?task=${pending}`, ready: '.timeline' },
  { name: 'missing task', query: () => '?task=task_0', ready: '.empty' },
  { name: 'new task', query: () => '?view=new&type=every_kind', ready: 'form' },
  { name: 'errors', query: () => '?view=errors', ready: 'table.errors' },
  { name: 'no errors', query: () => '?view=errors&mark=seen', ready: '.empty' },
  {
    name: 'tasks of an error',
    query: ({ group }) => `?status=failed&group=${group}`,
    ready: '.chip',
  },
  { name: 'types', query: () => '?view=types', ready: 'tbody tr' },
  { name: 'type', query: () => '?view=types&type=send_invoice', ready: '.chart-card' },
  { name: 'paused type', query: () => '?view=types&type=every_kind', ready: '.chart-card' },
  { name: 'executors', query: () => '?view=executors', ready: '.lanes' },
  {
    name: 'executor',
    query: ({ executor }) => `?view=executors&executor=${executor}`,
    ready: '.lanes',
  },
  { name: 'schedules', query: () => '?view=schedules', ready: 'tbody tr' },
  { name: 'activity', query: () => '?view=activity', ready: 'tbody tr' },
  { name: 'account', query: () => '?view=account', ready: 'tbody tr' },
]

export interface Opening {
  readonly name: string
  readonly query: (ids: ScreenIds) => string
  readonly open: (page: Page) => Promise<void>
}

const press = (name: string | RegExp) => (page: Page) =>
  page
    .getByRole('button', typeof name === 'string' ? { name, exact: true } : { name })
    .first()
    .click()

/** Every dialog of the page. */
export const DIALOGS: readonly Opening[] = [
  { name: 'delete a task', query: ({ failed }) => `?task=${failed}`, open: press('Delete') },
  { name: 'change a task', query: ({ pending }) => `?task=${pending}`, open: press('Change') },
  {
    name: 'cancel many tasks',
    query: () => '?view=tasks',
    async open(page) {
      await page.locator('tr[data-task] input[type=checkbox]').first().check()
      await press('Cancel')(page)
    },
  },
  { name: 'retry an error', query: () => '?view=errors', open: press(/^Retry/) },
  { name: 'pause a type and cancel', query: () => '?view=types', open: press(/^Pause and cancel pending/) },
  { name: 'retry what failed', query: () => '?view=types', open: press(/^Retry failed/) },
  { name: 'new schedule', query: () => '?view=schedules', open: press('New schedule') },
  { name: 'edit a schedule', query: () => '?view=schedules', open: press(/^Edit schedule/) },
  { name: 'delete a schedule', query: () => '?view=schedules', open: press(/^Delete: /) },
  { name: 'ticks of a schedule', query: () => '?view=schedules', open: press(/^Ticks of/) },
  { name: 'add a user', query: () => '?view=account', open: press('Add user') },
  { name: 'end all sessions', query: () => '?view=account', open: press('Log out everywhere') },
  {
    name: 'keyboard shortcuts',
    query: () => '?view=types',
    async open(page) {
      await page.locator('tbody tr').first().waitFor()
      await page.keyboard.press('?')
    },
  },
]
