import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const PLACES = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** No request but the page's own: a browser's services would call home. */
const FLAGS = [
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

function findChromium(): string {
  const found = PLACES.find((place) => place !== undefined && existsSync(place))
  if (found !== undefined) return found
  throw new Error(
    'the browser tests need Chromium: apt-get install chromium, or say where one is with CHROMIUM_PATH',
  )
}

export interface Browser {
  readonly context: BrowserContext
  /** What no page may do: errors in its console, uncaught exceptions, requests to another origin. */
  readonly misdeeds: readonly string[]
  close(): Promise<void>
}

/** A browser with a profile of its own. */
export async function openBrowser(origin: string, options: BrowserContextOptions = {}): Promise<Browser> {
  const profile = mkdtempSync(path.join(tmpdir(), 'chromium-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium(),
    timeout: 60_000,
    args: FLAGS,
    locale: 'en-US',
    viewport: { width: 1360, height: 860 },
    ...options,
  })
  context.setDefaultTimeout(20_000)
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
    async close() {
      await context.close()
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
