import type { Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { insertUser } from '../../src/accounts/store/users.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'
import type { PageServer } from './admin-page.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

/** Runs wherever a browser takes it for markup, an attribute, a URL, a style or a script. */
const markup = (where: string) =>
  `⟪${where}⟫"'\`><img src=x class=pwned onerror="window.pwned='${where}'"><svg class=pwned onload="window.pwned=1">` +
  `<script class=pwned>window.pwned=1</script><a class=pwned href="javascript:window.pwned=1">x</a>` +
  `</title></style></textarea><iframe class=pwned srcdoc="<script>parent.pwned=1</script>"></iframe>{{7*7}}`

/** The same for a column that holds this many characters. */
function markupOf(where: string, length: number | null): string {
  const fitting = [markup(where), `⟪${where}⟫"'><img src=x class=pwned onerror=pwned=1>`, '"><b class=pwned>']
  return fitting.find((text) => length === null || text.length + ROOM <= length) ?? '<i>'
}

/** For what makes values of a unique column differ. */
const ROOM = 8

const { task } = createTaskRegistry()
const gate = createGate()
const work = task('work', { maxRetries: 0 })(async (params: { end?: string }, ctx) => {
  await ctx.step('first', () => ({ of: 'the step' }))
  ctx.log.info('a line', { of: 'the log' })
  ctx.progress(1, 2, 'a step')
  if (params.end === 'running') await gate.opened
  if (params.end === 'failed') throw new Error('an error', { cause: new Error('its cause') })
  return { of: 'the task' }
})

let browser: WatchedBrowser
let database: TestDatabase
let server: PageServer
let page: Page
const ids: Record<string, string> = {}

useAdminPage(
  {
    tasks: [work],
    async prepare({ app: { tasks } }, database) {
      await insertUser(database.pool, { id: 'maker', username: 'maker', role: 'user', passwordHash: '' })
      for (const end of ['completed', 'failed', 'running', 'pending']) {
        const options = end === 'pending' ? { delayMs: 3_600_000 } : {}
        const unique = { uniqueKey: `key ${end}`, createdBy: 'maker', ...options }
        ids[end] = (await tasks.createTask(work, { end }, unique)).taskId
      }
      await tasks.waitFor(ids.completed ?? '')
      await tasks.waitFor(ids.failed ?? '')
      for await (const event of tasks.watch(ids.running ?? '')) {
        if (event.type === 'task' && event.task.step !== null) break
      }
      await database.pool.query(
        `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, started_at, heartbeat_at)
         values (gen_random_uuid(), 'a host', 1, '1', 32, '{}', 30000, now(), now() - interval '20 minutes')`,
      )
      await tasks.createSchedule({ name: 'nightly', cron: '0 0 1 1 *', task: work, params: { end: 'x' } })
    },
  },
  (opened) => {
    ;({ browser, database, server, page } = opened)
  },
)
afterEach(() => gate.open())

interface Column {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly length: number | null
}

/** The engine's own notes, which no page shows: with other values in them it would not work. */
const INTERNAL = ['async_task_changes', 'async_task_duties', 'async_task_starts']

/** Every column that holds text, of the engine and of the accounts; a later one is among them by itself. */
async function findColumns(): Promise<Column[]> {
  const { rows } = await database.pool.query<Column>(
    `select table_name as table, column_name as name, data_type as type, character_maximum_length as length
       from information_schema.columns
      where table_schema = 'public' and udt_name in ('text', 'varchar', '_text', '_varchar')
        and (table_name like 'async\\_task%' or table_name = 'users')
        and table_name not like '%migrations' and table_name <> all($1)
      order by 1, 2`,
    [INTERNAL],
  )
  return rows
}

/** What names a row for others, or is one of a few words, cannot be markup: what refers to it, or a check, refuses it. */
const REFUSED = [
  'async_task_logs.level',
  'async_task_schedules.missed',
  'async_tasks.created_by',
  'async_tasks.status',
  'users.role',
]
/** By these the page finds what it shows, and the server who asks. */
const KEPT = /\.(task_id|id|password_hash)$/

async function fillWithMarkup(): Promise<string[]> {
  const refused: string[] = []
  for (const { table, name, type, length } of await findColumns()) {
    const where = `${table}.${name}`
    if (KEPT.test(where)) continue
    const { rows } = await database.pool.query(
      `select ${name} as value from ${table} where ${name} is not null limit 1`,
    )
    const isJson = typeof rows[0]?.value === 'string' && /^[{["]/.test(rows[0].value)
    const text = markupOf(where, length)
    const value = isJson ? JSON.stringify({ [text]: text, list: [text, { [text]: text }] }) : text
    const numbered = /^(name|unique_key|username)$/.test(name) ? `$1 || ctid::text` : '$1'
    const set = type === 'ARRAY' ? 'array[$1]' : numbered
    await database.pool
      // The type of figures of all types stays empty.
      .query(`update ${table} set ${name} = ${set} where ${name}::text is distinct from ''`, [value])
      .catch((error: Error & { code?: string }) => {
        if (!error.code?.startsWith('23')) throw error
        refused.push(where)
      })
  }
  return refused
}

/** What a script of the markup, or a part of it in the document, would show. */
function findInjected(): Promise<{ pwned: unknown; elements: string[]; violations: string[] }> {
  return page.evaluate(() => {
    const { pwned, violations = [] } = window as unknown as { pwned?: unknown; violations?: string[] }
    const suspects = document.querySelectorAll(
      '.pwned, [onerror], [onload], [srcdoc], a[href^="javascript:"], img[src="x"], iframe, body script',
    )
    return { pwned, elements: [...suspects].map((one) => one.outerHTML.slice(0, 200)), violations }
  })
}

const shown = new Set<string>()

async function expectOnlyText(): Promise<void> {
  expect(await findInjected()).toEqual({ pwned: undefined, elements: [], violations: [] })
  const text = await page.evaluate(() => {
    const values = [...document.querySelectorAll<HTMLInputElement>('input, textarea, select')].map(
      (one) => one.value,
    )
    const titles = [...document.querySelectorAll('[title], [aria-label]')].map(
      (one) => `${one.getAttribute('title')} ${one.getAttribute('aria-label')}`,
    )
    return [document.body.textContent, document.title, ...values, ...titles].join('\n')
  })
  expect(text).not.toContain('{{49}}')
  for (const [, where = ''] of text.matchAll(/⟪([\w.]+)⟫/g)) shown.add(where)
}

beforeEach(async () => {
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
      // The tool that drives the browser evaluates what it runs in the page.
      if (blockedURI === 'eval') return
      const own = window as unknown as { violations?: string[] }
      own.violations = [...(own.violations ?? []), `${violatedDirective} ${blockedURI} ${sample}`]
    })
  })
})

test('markup in any field of any row is shown as text, on every screen', async () => {
  expect(await fillWithMarkup()).toEqual(REFUSED)
  const screens: [query: string, ready: string][] = [
    ['', 'main'],
    ['?view=tasks', 'tr[data-task]'],
    ['?view=activity', 'main'],
    ['?view=account', 'main'],
    [`?view=tasks&type=${encodeURIComponent(markup('type'))}`, '.empty, tr[data-task]'],
    [`?view=tasks&q=${encodeURIComponent(markup('q'))}`, 'main'],
    ...Object.values(ids).map((taskId): [string, string] => [`?task=${taskId}`, '.timeline']),
    [`?task=${encodeURIComponent(markup('task'))}`, 'main'],
    ['?view=new', 'main'],
    [`?view=new&type=${encodeURIComponent(markup('newtype'))}`, 'main'],
    [`?view=new&from=${ids.completed}`, 'main'],
    ['?view=types', 'tbody tr'],
    ['?view=schedules', 'tbody tr'],
    [`?view=${encodeURIComponent(markup('view'))}`, 'main'],
    [`#${markup('hash')}`, 'main'],
  ]
  for (const [query, ready] of screens) {
    await page.goto(`${server.origin}/admin/${query}`)
    await page.locator(ready).first().waitFor()
    await page.locator('.pill-slots').waitFor({ state: 'attached' })
    await expectOnlyText()
    // Trees and texts that are folded.
    await page.locator('main button[aria-expanded="false"]').evaluateAll((all) => {
      for (const button of all) (button as HTMLElement).click()
    })
    await expectOnlyText()
  }
  await page.goto(`${server.origin}/admin/?view=schedules`)
  await page
    .getByRole('button', { name: /^Edit schedule/ })
    .first()
    .click()
  await page.getByRole('dialog').waitFor()
  await expectOnlyText()
  await page.keyboard.press('Escape')
  await page.goto(`${server.origin}/admin/?task=${ids.failed}`)
  await page
    .getByRole('button', { name: /^Delete/ })
    .first()
    .click()
  await page.getByRole('dialog').waitFor()
  await expectOnlyText()
  await page.keyboard.press('Escape')

  // What the markup asks for is not there.
  browser.forgive(/status of 40[04]/)
  expect([...shown].toSorted()).toEqual(
    expect.arrayContaining([
      'async_task_attempts.error',
      'async_task_attempts.stack',
      'async_task_executors.host',
      'async_task_logs.data',
      'async_task_logs.message',
      'async_task_schedules.cron',
      'async_task_schedules.name',
      'async_task_schedules.task_type',
      'async_task_schedules.time_zone',
      'async_task_steps.name',
      'async_tasks.error_message',
      'async_tasks.result',
      'async_tasks.step',
      'async_tasks.task_type',
      'async_tasks.unique_key',
      'users.username',
    ]),
  )
})
