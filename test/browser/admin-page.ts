import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import { openBrowser, type WatchedBrowser } from './watched-browser.ts'

export const ADMIN = { username: 'admin', password: 'correct horse battery staple' }

/** An empty one, or with the server's tables. */
interface PageDatabase {
  readonly url: string
  drop(): Promise<void>
}

/** The bundled server on a port, which can go away and come back on it. */
export class PageServer {
  readonly database: PageDatabase
  readonly #tasks: readonly AnyTask[]
  #app: FastifyInstance | undefined
  #port = 0

  private constructor(database: PageDatabase, tasks: readonly AnyTask[]) {
    this.database = database
    this.#tasks = tasks
  }

  static async start(database: PageDatabase, tasks: readonly AnyTask[] = []): Promise<PageServer> {
    const server = new PageServer(database, tasks)
    await server.start()
    return server
  }

  get app(): FastifyInstance {
    if (!this.#app) throw new Error('the server is not running')
    return this.#app
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    const config = parseConfig({
      LOG_LEVEL: 'silent',
      ADMIN_PASSWORD: ADMIN.password,
      AUTH_SECRET: 'the same one after a restart, or all are logged out',
      SHUTDOWN_TIMEOUT_MS: '10000',
    })
    this.#app = await buildApp(config, { databaseUrl: this.database.url, tasks: this.#tasks })
    await this.#app.listen({ host: '127.0.0.1', port: this.#port })
    this.#port = (this.#app.server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    await this.#app?.close()
    this.#app = undefined
  }

  async remove(): Promise<void> {
    // A stop waits for running tasks.
    await this.#app?.tasks.bulk({ action: 'cancel', filter: { status: ['running'] } })
    await this.stop()
    await this.database.drop()
  }
}

export async function openPage(
  server: PageServer,
  options: BrowserContextOptions & { query?: string } = {},
): Promise<{ browser: WatchedBrowser; page: Page }> {
  const { query = '?view=tasks', ...context } = options
  const browser = await openBrowser(server.origin, context)
  const page = browser.context.pages()[0] ?? (await browser.context.newPage())
  await page.goto(`${server.origin}/admin/${query}`)
  return { browser, page }
}

export async function logIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill(ADMIN.username)
  await page.getByLabel('Password').fill(ADMIN.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
}
