import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'
import { logIn, openPage, type PageServer } from './admin-page.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const gate = createGate()
const rated = createTaskRegistry().task('rated', { rateLimit: { max: 1, perSeconds: 3_600 } })(() => {})
const stubborn = createTaskRegistry().task('ignore_signal')(async (_params, ctx) => {
  ctx.log.info('not listening')
  await gate.opened
})

let server: PageServer
let browser: WatchedBrowser
let page: Page
let database: TestDatabase

useAdminPage({ tasks: [...createDemoTasks(), stubborn, rated] }, (opened) => {
  ;({ database, server, browser, page } = opened)
})
afterAll(() => gate.open())

const visit = (query: string) => page.goto(`${server.origin}/admin/${query}`)
const toast = (words: string) => page.locator('.toast', { hasText: words }).waitFor()
const button = (name: string) => page.getByRole('button', { name, exact: true })

/** Types into the fields of these params. */
async function fill(texts: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(texts)) await page.getByLabel(new RegExp(`^${name}`)).fill(text)
}

async function createdTask() {
  await page.waitForURL(/task=task_/)
  const taskId = new URL(page.url()).searchParams.get('task') ?? ''
  return server.app.tasks.waitFor(taskId)
}

test('the form sends every kind of param as what it is, and a duplicate starts from them', async () => {
  await visit('?view=new&type=every_kind')
  await fill({ name: '007', size: '7', ratio: '0.5', day: '2026-02-28', at: '2026-02-28T08:00' })
  await page.getByLabel(/^mode/).selectOption('fast')
  await page.getByLabel(/^dryRun/).uncheck()
  await page.getByLabel(/^loud/).selectOption('yes')
  await page.getByLabel('null comment').check()
  await fill({ tags: 'a\nb c', numbers: '1\n2', options: '{"depth": 3}' })
  await page.getByText('Options', { exact: true }).click()
  await page.getByLabel('Priority').fill('5')
  await page.getByLabel('Unique key').fill('only one')
  await button('Create task').click()
  const made = await createdTask()
  const { at, ...params } = made.params
  expect(params).toEqual({
    name: '007',
    size: 7,
    ratio: 0.5,
    mode: 'fast',
    day: '2026-02-28',
    dryRun: false,
    loud: true,
    comment: null,
    tags: ['a', 'b c'],
    numbers: [1, 2],
    options: { depth: 3 },
  })
  expect(new Date(String(at)).getTime()).toBe(new Date(2026, 1, 28, 8).getTime())
  expect(made).toMatchObject({ priority: 5, uniqueKey: 'only one', status: 'completed' })

  await page.getByRole('link', { name: 'Duplicate' }).click()
  await page.getByLabel(/^size/).fill('8')
  await button('Create task').click()
  await expect.poll(() => page.url()).not.toContain(made.taskId)
  const copy = await createdTask()
  expect(copy.params).toEqual({ ...made.params, size: 8 })
  expect(copy).toMatchObject({ priority: 5 })
})

test('what the server refuses stands at the field it is about', async () => {
  await visit('?view=new&type=every_kind')
  await fill({ name: 'x', size: '99' })
  await button('Create task').click()
  await expect.poll(() => page.locator('.has-problem').count()).toBe(2)
  await page.getByText('Options', { exact: true }).click()
  await fill({ name: 'xyz', size: '9' })
  await page.getByLabel('Priority').fill('1000')
  await button('Create task').click()
  await page.locator('.has-problem', { hasText: 'Priority' }).waitFor()
  await expect.poll(() => page.locator('.has-problem').count()).toBe(1)
  browser.forgive(/status of 400/)
})

test('a failed task shows its error and stack; its log can be filtered, searched and taken along', async () => {
  const { taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'C-3' })
  await server.app.tasks.waitFor(taskId)
  await visit(`?task=${taskId}`)
  await page.getByText('at renderInvoice').waitFor()
  const lines = page.locator('.log .line')
  await expect.poll(() => lines.count()).toBe(3)
  await page.getByLabel('Level').selectOption('WARNING')
  await expect.poll(() => lines.count()).toBe(1)
  await page.getByLabel('Level').selectOption('All levels')
  await expect.poll(() => lines.count()).toBe(3)
  await page.getByLabel('Search in the log').fill('NO ADDRESS ON')
  await expect.poll(() => lines.allTextContents()).toEqual([expect.stringContaining('no address on file')])

  const [download] = await Promise.all([page.waitForEvent('download'), button('Download').click()])
  expect(download.suggestedFilename()).toBe(`${taskId}.log`)
  const saved = readFileSync(await download.path(), 'utf8')
    .trimEnd()
    .split('\n')
  expect(saved).toHaveLength(3)
  expect(saved[1]).toMatch(/^\d{4}-\d\d-\d\dT.*Z WARNING 1 no address on file \{"invoice":"C-3"\}$/)

  await button('Delete').click()
  await button('Delete 1 task').click()
  await toast('Task deleted')
  expect(await server.app.tasks.getTask(taskId)).toBeUndefined()
})

test('a pending task is changed, runs at once, and shows when it would expire', async () => {
  const { tasks } = server.app
  const inAnHour = new Date(Date.now() + 3_600_000)
  const { taskId } = await tasks.createTask(
    'send_invoice',
    { invoice: 'E-5' },
    { runAt: inAnHour, expiresAt: new Date(inAnHour.getTime() + 60_000) },
  )
  await visit(`?task=${taskId}`)
  await page.locator('.facts', { hasText: 'Expires' }).waitFor()
  await button('Change').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Priority').fill('1000')
  await dialog.getByLabel(/^invoice/).fill('E-6')
  await button('Save the changes').click()
  await dialog.locator('.has-problem', { hasText: 'Priority' }).waitFor()
  browser.forgive(/status of 400/)
  await dialog.getByLabel('Priority').fill('7')
  await button('Save the changes').click()
  await toast('Task changed')
  const changed = await tasks.getTask(taskId)
  expect(changed).toMatchObject({
    priority: 7,
    params: { invoice: 'E-6' },
    runAt: inAnHour,
    status: 'pending',
  })
  expect(await button('Change').evaluate((one) => one.matches(':focus'))).toBe(true)

  // Another person's change stays where this form was not edited.
  await button('Change').click()
  await tasks.updateTask(taskId, { priority: 9 })
  await dialog.getByLabel('Not before').fill('2030-01-02T03:04')
  await button('Save the changes').click()
  await dialog.locator('.has-problem', { hasText: 'Not before' }).waitFor()
  browser.forgive(/status of 400/)
  await dialog.getByLabel('Not before').fill('2020-01-02T03:04')
  await tasks.pauseTaskType('send_invoice')
  await button('Save the changes').click()
  await dialog.waitFor({ state: 'detached' })
  expect(await tasks.getTask(taskId)).toMatchObject({ priority: 9, params: { invoice: 'E-6' } })
  await expect.poll(() => button('Run now').getAttribute('aria-disabled')).toBe('true')

  await tasks.updateTask(taskId, { runAt: inAnHour })
  await expect.poll(() => button('Run now').getAttribute('aria-disabled')).toBe('false')
  await tasks.resumeTaskType('send_invoice')
  await button('Run now').click()
  expect(await tasks.waitFor(taskId)).toMatchObject({ status: 'failed', params: { invoice: 'E-6' } })
  await button('Change').waitFor({ state: 'detached' })
})

test('a cancelled task whose handler goes on says so, until it has returned', async () => {
  const { taskId } = await server.app.tasks.createTask(stubborn, {})
  await visit(`?task=${taskId}`)
  await page.locator('.log .line').first().waitFor()
  await button('Cancel').click()
  await page.getByText('The handler has not stopped yet').waitFor()
  const retry = button('Retry')
  expect(await retry.getAttribute('aria-disabled')).toBe('true')
  gate.open()
  await page.getByText('The handler has not stopped yet').waitFor({ state: 'detached' })
  expect(await retry.getAttribute('aria-disabled')).toBe('false')
})

test('a type is paused and goes on', async () => {
  await visit('?view=types')
  const row = page.getByRole('row', { name: /send_invoice/ })
  await row.getByRole('button', { name: /Pause/ }).click()
  await row.getByText('Paused').waitFor()
  const isPaused = async () => {
    const types = await server.app.tasks.listTaskTypes()
    return types.find(({ taskType }) => taskType === 'send_invoice')?.paused
  }
  expect(await isPaused()).toBe(true)
  await row.getByRole('button', { name: /Resume/ }).click()
  await row.getByText('Active').waitFor()
  expect(await isPaused()).toBe(false)
})

test('a type with a rate limit shows it, and when the next permit returns', async () => {
  await visit('?view=types')
  const row = page.getByRole('row', { name: /rated/ })
  await row.getByText('1 start in 1 h', { exact: true }).waitFor()
  const { tasks } = server.app
  await tasks.waitFor((await tasks.createTask(rated)).taskId)
  await visit('?view=types')
  await row.getByText(/1 start in 1 h · next permit in (1 hr|59 min)/).waitFor()
})

test('a schedule is made, run, paused, changed and deleted', async () => {
  await visit('?view=schedules')
  await button('New schedule').click()
  const dialog = page.getByRole('dialog')
  await button('Create schedule').click()
  const problems = dialog.locator('.field .field-problem')
  await expect.poll(() => problems.allTextContents()).toContain('is required')
  const name = dialog.getByLabel('Name')
  await expect.poll(() => name.evaluate((field) => field.matches(':focus'))).toBe(true)
  await name.fill('every evening')
  await dialog.getByLabel('Type').selectOption('send_invoice')
  await dialog.getByLabel('Cron').fill('61 17 * * *')
  await dialog.getByLabel('Time zone').fill('Asia/Shanghai')
  await dialog.getByLabel(/^invoice/).fill('D-4')
  await button('Create schedule').click()
  await expect
    .poll(() => problems.allTextContents())
    .toContainEqual(expect.stringMatching(/^must be 1 to 100/))
  browser.forgive(/status of 400/)
  await dialog.getByLabel('Name').fill('every_evening')
  await dialog.getByLabel('Cron').fill('30 17 * * *')
  await button('Create schedule').click()
  await toast('Schedule saved')

  const row = page.getByRole('row', { name: /every_evening/ })
  await row.getByRole('button', { name: /Run now/ }).click()
  await toast('Task created')
  const { tasks } = await server.app.tasks.listTasks({ taskType: 'send_invoice' })
  const link = page.getByRole('link', { name: 'Task created' })
  expect(await link.getAttribute('href')).toContain(tasks[0]?.taskId)
  expect(await server.app.tasks.getTask(tasks[0]?.taskId ?? '')).toMatchObject({ params: { invoice: 'D-4' } })

  const enabled = row.getByRole('checkbox')
  await enabled.click()
  await expect.poll(() => enabled.isChecked()).toBe(false)
  await row.getByRole('button', { name: /Edit/ }).click()
  await dialog.getByLabel('Cron').fill('0 9 * * *')
  await button('Save').click()
  await row.getByText('0 9 * * *').waitFor()
  await database.pool.query(`update async_task_schedules set declared = true where name = 'every_evening'`)
  await page.reload()
  await row.getByText('in code').waitFor()
  await row.getByRole('button', { name: /Edit/ }).click()
  await dialog.getByText('Declared in code').waitFor()
  await page.keyboard.press('Escape')
  await row.getByRole('button', { name: /Delete/ }).click()
  await dialog.getByText('Declared in code').waitFor()
  await button('Delete').click()
  await toast('Schedule deleted')
  await row.waitFor({ state: 'detached' })
})

test('the language and the theme are chosen, and stay chosen', async () => {
  await visit('?view=tasks')
  await button('中文').click()
  await page.getByRole('link', { name: '新建任务' }).waitFor()
  await page.getByRole('button', { name: '主题：跟随系统' }).click()
  await page.getByRole('button', { name: '主题：浅色' }).click()
  await page.reload()
  await page.getByRole('button', { name: '主题：深色' }).waitFor()
  const look = () =>
    page.evaluate(() => [document.documentElement.lang, document.documentElement.dataset.theme])
  expect(await look()).toEqual(['zh-CN', 'dark'])
  await button('English').click()
  await button('Theme: dark').click()
  expect(await look()).toEqual(['en', undefined])
})

test("a browser's own language is the first one", async () => {
  const { browser: chinese, page: login } = await openPage(server, { locale: 'zh-CN' })
  await login.getByRole('button', { name: '登录' }).waitFor()
  expect(chinese.misdeeds).toEqual([])
  await chinese.close()
})

test('an ended session brings the log-in, and the same page again after it', async () => {
  const { taskId } = await server.app.tasks.createTask('send_invoice', { invoice: 'E-5' })
  await visit(`?task=${taskId}`)
  await page.locator('.log .line').first().waitFor()
  await browser.context.clearCookies()
  await page.getByLabel('Password').waitFor()
  browser.forgive(/status of 401/)
  await logIn(page)
  await page.getByRole('heading', { level: 1, name: 'send_invoice' }).waitFor()
  browser.forgive(/status of 401/)
})
