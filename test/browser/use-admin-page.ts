import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

export interface AdminPage {
  readonly database: TestDatabase
  readonly server: PageServer
  readonly browser: WatchedBrowser
  readonly page: Page
}

interface Options {
  readonly tasks?: readonly AnyTask[]
  /** Runs before the page is opened. */
  prepare?(server: PageServer, database: TestDatabase): Promise<void>
  /** False: the page shows the log-in. Default true. */
  readonly isLoggedIn?: boolean
}

/**
 * One bundled server and one window of the admin page for all tests of a file, handed to `use` before the first. A test
 * fails where something went wrong in the browser that it has not forgiven.
 */
export function useAdminPage(
  { tasks = [], prepare, isLoggedIn = true }: Options,
  use: (opened: AdminPage) => void,
): void {
  let browser: WatchedBrowser
  let server: PageServer
  beforeAll(async () => {
    const database = await createTestDatabase('server')
    server = await PageServer.start(database, tasks)
    await prepare?.(server, database)
    const opened = await openPage(server)
    browser = opened.browser
    if (isLoggedIn) await logIn(opened.page)
    use({ database, server, ...opened })
  })
  afterAll(async () => {
    await browser?.close()
    await server?.remove()
  })
  afterEach(() => {
    const misdeeds = [...browser.misdeeds]
    browser.forgive(/./)
    expect(misdeeds).toEqual([])
  })
}
