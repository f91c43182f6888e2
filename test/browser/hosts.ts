import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import { openBrowser, type WatchedBrowser } from './watched-browser.ts'

/** A host app with a start page; it is closed when the test ends. */
export function createHost(): FastifyInstance {
  const app = Fastify({ pluginTimeout: 0 })
  onTestFinished(() => app.close())
  app.get('/', async (_request, reply) => reply.type('text/html').send('<!doctype html><h1>The shop</h1>'))
  return app
}

export async function listen(app: FastifyInstance): Promise<string> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return originOf(app.server)
}

export const originOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

export async function open(
  origin: string,
  options?: BrowserContextOptions,
): Promise<{ browser: WatchedBrowser; page: Page }> {
  const browser = await openBrowser(origin, options)
  onTestFinished(() => browser.close())
  onTestFinished(() => {
    browser.forgive(/status of 40[013]|favicon/)
    expect(browser.misdeeds).toEqual([])
  })
  return { browser, page: await browser.context.newPage() }
}

export const types = (page: Page) => page.getByRole('row', { name: /send_invoice/ }).waitFor()
export const link = (page: Page, name: string) => page.getByRole('link', { name, exact: true })
export const enterToken = async (page: Page, token: string) => {
  await page.getByLabel('Access token').fill(token)
  await page.getByRole('button', { name: 'Use the token' }).click()
}
