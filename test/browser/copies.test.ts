import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const { task } = createTaskRegistry()
const LETTER = z.looseObject({
  subject: z.string().optional(),
  body: z.string().optional(),
  tags: z.array(z.string()).optional(),
  counts: z.array(z.number()).default([1]),
  size: z.union([z.number(), z.string()]).optional(),
  ratio: z.number().nullable().optional(),
  day: z.iso.date().optional(),
  at: z.iso.datetime({ offset: true }).optional(),
  urgent: z.boolean().default(true),
  mode: z.enum(['fast', 'safe']).optional(),
  options: z.record(z.string(), z.json()).optional(),
})
const TASKS: AnyTask[] = [
  task('send_letter', { params: LETTER })(() => null),
  task('take_anything', { params: z.record(z.string(), z.json()) })(() => null),
  task('pay_card', {
    params: z.object({
      amount: z.number(),
      password: z.string(),
      pin: z.int().optional(),
      card: z.object({ holder: z.string(), number: z.string() }).optional(),
    }),
    redact: ['password', 'pin', 'card.number'],
  })(() => null),
]

let database: TestDatabase
let server: PageServer
let browser: WatchedBrowser
let page: Page

useAdminPage({ tasks: TASKS }, (opened) => {
  ;({ database, server, browser, page } = opened)
})

const button = (name: string) => page.getByRole('button', { name, exact: true })

/** Opens the copy of a task, and waits for its form. */
async function duplicate(taskType: string, params: Record<string, unknown>): Promise<string> {
  const { taskId } = await server.app.tasks.createTask(taskType, params)
  await page.goto(`${server.origin}/admin/?task=${taskId}`)
  await page.getByRole('link', { name: 'Duplicate' }).click()
  await page.locator('form').waitFor()
  return taskId
}

async function create(originalId: string) {
  await button('Create task').click()
  await page.waitForURL((url) => {
    const made = url.searchParams.get('task')
    return made !== null && made !== originalId
  })
  const taskId = new URL(page.url()).searchParams.get('task') ?? ''
  return (await server.app.tasks.waitFor(taskId)).params
}

describe('a duplicate has the same params as its original', () => {
  test.each<[name: string, taskType: string, params: Record<string, unknown>]>([
    ['a list with line feeds, empty and blank items', 'send_letter', { tags: ['a\nb', '', ' ', 'd'] }],
    ['a list with one empty item', 'send_letter', { tags: [''] }],
    ['empty lists', 'send_letter', { tags: [], counts: [] }],
    [
      'text of two lines, with tabs and other line ends',
      'send_letter',
      { subject: 'a\n\tb', body: 'c\r\nd' },
    ],
    ['empty and blank text', 'send_letter', { subject: '', body: '  ' }],
    ['text that looks like JSON', 'send_letter', { subject: 'null', body: '"x"' }],
    ['numbers as text, null and no value', 'send_letter', { size: '12', ratio: null }],
    ['long and small numbers', 'send_letter', { ratio: 1.7976931348623157e308, counts: [5e-324, 1e21, 0.1] }],
    [
      'instants with seconds, fractions and offsets',
      'send_letter',
      { at: '2026-01-02T03:04:05.678901+02:00' },
    ],
    ['an instant with milliseconds', 'send_letter', { at: '2026-01-02T03:04:05.678Z', day: '2028-02-29' }],
    ['what is the default anyway', 'send_letter', { urgent: true, counts: [1] }],
    [
      'keys that the schema does not name',
      'send_letter',
      { mode: 'fast', extra: { a: [null] }, 'ключ 🔑': '' },
    ],
    [
      'names that objects have of themselves',
      'send_letter',
      { constructor: 'x', toString: 'y', valueOf: null },
    ],
    ['objects in objects, and empty ones', 'send_letter', { options: { a: {}, b: { c: [[], {}] }, '': 1 } }],
    ['text that nobody sees', 'send_letter', { subject: 'a\u202eb\u200bc', tags: ['\u2028', '\u001b[31m'] }],
    ['any keys at all', 'take_anything', { a: 'x\ny', b: [1, [2]], c: null }],
    ['no params', 'take_anything', {}],
  ])('%s', async (_name, taskType, params) => {
    const original = await duplicate(taskType, params)
    expect(await create(original)).toEqual((await server.app.tasks.getTask(original))?.params)
  })
})

test('text of two lines keeps its line feed when it is edited', async () => {
  const original = await duplicate('send_letter', { body: 'first\nsecond' })
  await page.getByLabel(/^body/).press('End')
  await page.keyboard.type('!')
  expect(await create(original)).toMatchObject({ body: expect.stringMatching(/^first!?\nsecond!?$/) })
})

test('a value that its field cannot show is edited as JSON, with the reason', async () => {
  const original = await duplicate('send_letter', { tags: ['a\nb', '', 'd'] })
  const tags = page.getByLabel(/^tags/)
  expect(JSON.parse(await tags.inputValue())).toEqual(['a\nb', '', 'd'])
  await page.getByText('Edited as JSON').waitFor()
  await tags.fill('["a\\nb", "", "e"]')
  expect(await create(original)).toMatchObject({ tags: ['a\nb', '', 'e'] })
})

test('hidden params are empty and asked for again', async () => {
  const params = { amount: 5, password: 'secret', pin: 1234, card: { holder: 'A', number: '42' } }
  const original = await duplicate('pay_card', params)
  expect(await page.getByLabel(/^password/).inputValue()).toBe('')
  expect(await page.getByLabel(/^pin/).inputValue()).toBe('')
  const before = (await server.app.tasks.listTasks({ taskType: 'pay_card' })).total
  await button('Create task').click()
  await expect.poll(() => page.locator('.has-problem').count()).toBe(2)
  await page.getByLabel(/^password/).fill('another')
  await page.getByLabel('leave out pin').check()
  // What is hidden within an object shows as such, and is refused until it is entered.
  await button('Create task').click()
  await page.locator('.has-problem', { hasText: 'card' }).waitFor()
  expect((await server.app.tasks.listTasks({ taskType: 'pay_card' })).total).toBe(before)
  await page.getByLabel(/^card/).fill('{"holder": "A", "number": "43"}')
  expect(await create(original)).toEqual({
    amount: 5,
    password: '[redacted]',
    card: { holder: 'A', number: '[redacted]' },
  })
  browser.forgive(/status of 400/)
})

test('a number with more digits than JavaScript keeps is refused, not rounded', async () => {
  await page.goto(`${server.origin}/admin/?view=new&type=send_letter`)
  await page.getByLabel(/^ratio/).fill('9007199254740993')
  await page.getByLabel(/^counts/).fill('1\n0.12345678901234567890')
  await page.getByLabel(/^options/).fill('{"id": 12345678901234567890}')
  await button('Create task').click()
  await expect.poll(() => page.locator('.has-problem').count()).toBe(3)
})

test('what somebody else has changed of a schedule meanwhile is not changed back', async () => {
  const { tasks } = server.app
  const pay = { amount: 1, password: 'secret', pin: 7, card: { holder: 'B', number: '44' } }
  await tasks.createSchedule({ name: 'shared', cron: '0 0 1 1 *', task: 'pay_card', params: pay })
  await page.goto(`${server.origin}/admin/?view=schedules`)
  await page.getByRole('button', { name: 'Edit schedule: shared' }).click()
  await page.getByRole('dialog').getByLabel('Cron').fill('0 0 3 3 *')
  const params = { ...pay, amount: 2 }
  await tasks.updateSchedule('shared', { timeZone: 'Asia/Tokyo', params })
  await button('Save').click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  const { rows } = await database.pool.query(
    `select cron, time_zone as "timeZone", params::json as params from async_task_schedules where name = 'shared'`,
  )
  expect(rows).toEqual([{ cron: '0 0 3 3 *', timeZone: 'Asia/Tokyo', params }])
})

test('a schedule is saved as it was, its hidden params and odd values too', async () => {
  const { tasks } = server.app
  const params = { tags: ['a\nb', ''], other: [1], urgent: true }
  await tasks.createSchedule({ name: 'letters', cron: '0 0 1 1 *', task: 'send_letter', params })
  const secret = { amount: 1, password: 'secret', pin: 7, card: { holder: 'B', number: '44' } }
  await tasks.createSchedule({ name: 'payments', cron: '0 0 1 1 *', task: 'pay_card', params: secret })
  await page.goto(`${server.origin}/admin/?view=schedules`)
  for (const name of ['letters', 'payments']) {
    await page.getByRole('button', { name: `Edit schedule: ${name}` }).click()
    await page.getByRole('dialog').getByLabel('Cron').fill('0 0 2 2 *')
    await button('Save').click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  }
  const { rows } = await database.pool.query<{ params: string }>(
    `select params from async_task_schedules where cron = '0 0 2 2 *' order by name`,
  )
  expect(rows.map((row) => JSON.parse(row.params) as unknown)).toEqual([params, secret])
})
