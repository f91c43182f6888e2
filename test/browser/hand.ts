import type { Locator, Page } from 'playwright-core'
import type { PageServer } from './admin-page.ts'

/** Somebody at the page, whose clicks are counted. Typing is none, and neither is reading. */
export class Hand {
  readonly page: Page
  clicks = 0

  private constructor(page: Page) {
    this.page = page
  }

  /** At the first page, which is there. */
  static async at(server: PageServer, page: Page): Promise<Hand> {
    await page.goto(`${server.origin}/admin/`)
    await page.locator('.health:not(.health-unknown)').waitFor()
    return new Hand(page)
  }

  async click(what: Locator): Promise<void> {
    await what.click()
    this.clicks += 1
  }

  /** One click opens the choice, a second one chooses. */
  async choose(what: Locator, option: string): Promise<void> {
    await what.selectOption(option)
    this.clicks += 2
  }

  /** A click into the field, and keys. */
  async type(what: Locator, words: string): Promise<void> {
    await this.click(what)
    await what.fill(words)
  }

  goTo(name: string): Promise<void> {
    const pages = this.page.getByRole('navigation', { name: 'Pages' })
    return this.click(pages.getByRole('link', { name, exact: true }))
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', typeof name === 'string' ? { name, exact: true } : { name })
  }

  link(name: string | RegExp): Locator {
    return this.page.getByRole('link', typeof name === 'string' ? { name, exact: true } : { name })
  }

  row(name: string | RegExp): Locator {
    return this.page.getByRole('row', { name })
  }
}
