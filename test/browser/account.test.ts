import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { ADMIN, openPage, type PageServer } from './admin-page.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const VIEWER = { username: 'ada', password: 'only reads, changes nothing' }

let server: PageServer
let browser: WatchedBrowser
let page: Page

useAdminPage({}, (opened) => {
  ;({ server, browser, page } = opened)
})

const toast = (words: string) => page.locator('.toast', { hasText: words }).waitFor()
const button = (name: string, on = page) => on.getByRole('button', { name, exact: true })

async function logInAs(on: Page, { username, password }: typeof VIEWER): Promise<void> {
  await on.getByLabel('User name').fill(username)
  await on.getByLabel('Password').fill(password)
  await button('Log in', on).click()
  await on.getByRole('navigation', { name: 'Pages' }).waitFor()
}

test('an admin adds a viewer, who changes nothing, and disables them', async () => {
  await page.getByRole('link', { name: 'Account' }).click()
  await button('Add user').click()
  await page.getByLabel('Name', { exact: true }).fill(VIEWER.username)
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Password').fill('password1234')
  await button('Add user', page).last().click()
  await dialog.getByText(/not common or easily guessed/).waitFor()
  browser.forgive(/400/)
  await dialog.getByLabel('Password').fill(VIEWER.password)
  await button('Add user', page).last().click()
  await toast('ada is added')

  const other = await openPage(server)
  onTestFinished(() => other.browser.close())
  await logInAs(other.page, VIEWER)
  await expect.poll(() => other.page.getByRole('link', { name: 'New task' }).count()).toBe(0)
  await other.page.getByRole('link', { name: 'Account' }).click()
  await other.page.getByRole('heading', { name: 'Your sessions' }).waitFor()
  expect(await other.page.getByRole('heading', { name: 'Users' }).count()).toBe(0)

  await page.getByLabel('Enabled: ada').click()
  // Its next request is refused, and the log-in stands in place of the page.
  await other.page.getByLabel('User name').waitFor()
})

test('a person changes the password and logs out everywhere', async () => {
  await page.goto(`${server.origin}/admin/?view=account`)
  await page.getByText('this one').waitFor()
  await page.getByLabel('Current password').fill('not the current one')
  await page.getByLabel('New password', { exact: true }).fill('a new password of mine')
  await button('Change password').click()
  await page.getByText('The current password is wrong').waitFor()
  browser.forgive(/403/)
  await page.getByLabel('Current password').fill(ADMIN.password)
  await button('Change password').click()
  await toast('Password changed')
  await button('Log out everywhere').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Log out everywhere' }).click()
  await page.getByLabel('User name').waitFor()
  await logInAs(page, { ...ADMIN, password: 'a new password of mine' })
})
