import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { launchChromium } from './chromium.ts'

export interface WatchedBrowser {
  readonly context: BrowserContext
  /** What no page may do: errors in its console, uncaught exceptions, requests to another origin. */
  readonly misdeeds: readonly string[]
  /** Forgets those that a test has expected. */
  forgive(expected: RegExp): void
  close(): Promise<void>
}

/** A browser that notes whatever goes wrong in its pages. */
export async function openBrowser(
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedBrowser> {
  const { context, close } = await launchChromium({
    locale: 'en-US',
    viewport: { width: 1360, height: 860 },
    ...options,
  })
  const misdeeds: string[] = []
  context.on('request', (request) => {
    const url = request.url()
    if (new URL(url).origin !== origin && !url.startsWith('blob:')) misdeeds.push(`request to ${url}`)
  })
  const watch = (page: Page) => {
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) {
        misdeeds.push(`console: ${message.text()} (${message.location().url})`)
      }
    })
    page.on('pageerror', (error) => misdeeds.push(`uncaught: ${error.stack ?? error.message}`))
  }
  context.pages().forEach(watch)
  context.on('page', watch)
  return {
    context,
    misdeeds,
    forgive(expected) {
      const others = misdeeds.filter((one) => !expected.test(one))
      misdeeds.splice(0, misdeeds.length, ...others)
    },
    close,
  }
}
