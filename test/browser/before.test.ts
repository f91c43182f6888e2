import type { Locator, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { PageServer } from './admin-page.ts'
import { fillScreens } from './all-screens.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { useAdminPage } from './use-admin-page.ts'

let server: PageServer
let page: Page

const prepare = async (...given: Parameters<typeof fillScreens>) => void (await fillScreens(...given))

useAdminPage({ tasks: createDemoTasks(), prepare }, (opened) => {
  ;({ server, page } = opened)
})

/** The opacity that a person sees: the product of its own and of those of all elements around it. */
const opacityOf = (shown: Locator) =>
  shown.evaluate((element) => {
    let opacity = 1
    for (let one: Element | null = element; one; one = one.parentElement) {
      opacity *= Number(getComputedStyle(one).opacity)
    }
    return opacity
  })

/** Answers requests to a path below the routes when it is called. */
async function hold(path: string): Promise<() => void> {
  const held = Promise.withResolvers<void>()
  await page.route(
    (url) => url.pathname === `/api/admin/${path}`,
    async (route) => {
      await held.promise
      await route.continue()
    },
  )
  return () => held.resolve()
}

const link = (name: string) => () => page.locator('.segments').getByRole('link', { name }).click()

const CASES = [
  { what: 'overview', query: '', path: 'overview', shown: '.chart-card', choose: link('24 h') },
  {
    what: 'type',
    query: '?view=types&type=every_kind',
    path: 'overview',
    shown: '.type-tiles',
    choose: link('7 d'),
  },
  {
    what: 'table of types',
    query: '?view=types',
    path: 'overview/types',
    shown: 'table.types',
    choose: link('24 h'),
  },
  {
    what: 'table of errors',
    query: '?view=errors',
    path: 'error-groups',
    shown: 'table.errors',
    choose: link('All'),
  },
  {
    what: 'activity',
    query: '?view=activity',
    path: 'audit',
    shown: 'table.activity',
    choose: () => page.locator('table.activity').getByRole('link', { name: 'Mia' }).first().click(),
  },
  {
    what: 'list of tasks',
    query: '?view=tasks',
    path: 'tasks',
    shown: 'table.tasks',
    choose: () =>
      page
        .locator('.tabs')
        .getByRole('link', { name: /^Failed/ })
        .click(),
  },
]

test.each(CASES)(
  'the $what is dimmed until what was chosen is there',
  async ({ query, path, shown, choose }) => {
    await page.goto(`${server.origin}/admin/${query}`)
    const before = page.locator(shown).first()
    await before.waitFor()
    expect(await opacityOf(before)).toBe(1)
    const release = await hold(path)
    await choose()
    await expect.poll(() => opacityOf(before)).toBe(0.5)
    release()
    await expect.poll(() => opacityOf(page.locator(shown).first())).toBe(1)
  },
)

test('what does not depend on the range stays as it is', async () => {
  await page.goto(`${server.origin}/admin/`)
  const charts = page.locator('.chart-card').first()
  await charts.waitFor()
  const release = await hold('overview')
  await link('24 h')()
  await expect.poll(() => opacityOf(charts)).toBe(0.5)
  expect(await opacityOf(page.locator('.tile-executors'))).toBe(1)
  expect(await opacityOf(page.getByRole('region', { name: 'Health' }))).toBe(1)
  release()
})
