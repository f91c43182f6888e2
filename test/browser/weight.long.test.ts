import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import { fillTable, TASKS } from './past-tasks.ts'

const MAX_ROWS = 200

test('the first screen takes less than 150 kB, compressed', () => {
  const built = path.resolve(import.meta.dirname, '../../dist/dashboard')
  const html = readFileSync(path.join(built, 'index.html'), 'utf8')
  const first = [...html.matchAll(/assets\/[\w-]+\.(?:js|css)/g)].map(([name]) => name)
  expect(new Set(first.map((name) => path.extname(name)))).toEqual(new Set(['.css', '.js']))
  const weigh = (name: string) => gzipSync(readFileSync(path.join(built, name))).length
  for (const name of readdirSync(path.join(built, 'assets')).filter((one) => /\.(js|css)$/.test(one))) {
    console.log(`${name}: ${(weigh(`assets/${name}`) / 1_000).toFixed(1)} kB compressed`)
  }
  expect(first.reduce((sum, name) => sum + weigh(name), 0)).toBeLessThan(150_000)
  expect(readdirSync(built)).toContain('favicon.svg')
})

test(`with ${TASKS} tasks at most ${MAX_ROWS} rows are in the document, and all of them can be reached`, async () => {
  const database = await createTestDatabase('server')
  const server = await PageServer.start(database)
  onTestFinished(() => server.remove())
  await fillTable(database)
  const { browser, page } = await openPage(server)
  onTestFinished(() => browser.close())
  await logIn(page)
  await page.locator('tr[data-task]').first().waitFor()
  const seen = new Set<string>()
  for (let pages = 0; pages < 4; pages += 1) {
    const ids = await page
      .locator('tr[data-task]')
      .evaluateAll((rows) => rows.map((row) => row.dataset.task ?? ''))
    expect(ids.length).toBeLessThanOrEqual(MAX_ROWS)
    for (const id of ids) {
      expect(seen.has(id), `${id} is on two pages`).toBe(false)
      seen.add(id)
    }
    await page.getByRole('button', { name: 'Older' }).click()
    await expect.poll(() => page.locator('tr[data-task]').first().getAttribute('data-task')).not.toBe(ids[0])
  }
  expect(seen.size).toBe(200)
  await page.getByRole('button', { name: 'Newer' }).click()
  await page.getByRole('button', { name: 'Newest' }).click()
})
