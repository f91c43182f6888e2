import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTasksClient } from '../../src/client/index.ts'
import { BAD_ANSWERS } from '../client/bad-answers.ts'
import { ScriptedServer } from '../client/scripted-server.ts'
import type { BadAnswersPage } from './bad-answers-page.ts'
import { bundle } from './bundle.ts'
import { launchChromium } from './chromium.ts'

/** How long each server misbehaves. */
const BAD_MS = 60_000
/** How soon after that the picture must be right. */
const RIGHT_WITHIN_MS = 15_000
/** A minute, of the client's own. */
const MAX_REQUESTS = 20
const KINDS = ['watch', 'watchAll', 'status', 'logs', 'list'] as const
const RIGHT = {
  watch: 'completed',
  watchAll: 'completed',
  status: 'completed',
  logs: 'collecting,done',
  list: 'completed',
}

interface Case {
  readonly key: string
  readonly kind: (typeof KINDS)[number]
  readonly server: ScriptedServer
  readonly baseUrl: string
}

let pageServer: Server
let address: string
let browser: Awaited<ReturnType<typeof launchChromium>>
const cases: Case[] = []
const pictures: Record<string, string> = {}
/** Reads of the test's own, which follow each `open`, by case. */
const reads: Record<string, number> = {}
const stop = new AbortController()

beforeAll(async () => {
  pageServer = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end('<!doctype html><body></body>')
  })
  await new Promise<void>((resolve) => pageServer.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(pageServer.address() as AddressInfo).port}`
  browser = await launchChromium()
  for (const [name, bad] of Object.entries(BAD_ANSWERS)) {
    for (const kind of KINDS) {
      const server = new ScriptedServer(bad)
      cases.push({ key: `${kind}: ${name}`, kind, server, baseUrl: await server.start() })
    }
  }
})
afterAll(async () => {
  stop.abort()
  await browser?.close()
  await Promise.all(cases.map(({ server }) => server.stop()))
  pageServer.close()
})

async function follow({ key, kind, baseUrl }: Case): Promise<void> {
  const client = createTasksClient({ baseUrl })
  const { signal } = stop
  const events = kind === 'watch' ? client.watch('task_1', { signal }) : client.watchAll({ signal })
  try {
    for await (const event of events) {
      if ('task' in event) pictures[key] = event.task.status
      if (event.type !== 'open') continue
      reads[key] = (reads[key] ?? 0) + 1
      // What a list does: it reads again what may have been missed.
      const read = client.listTasks({}, { signal }).then(({ tasks }) => tasks[0]?.status ?? '')
      read.then(
        (status) => {
          pictures[key] = status
        },
        () => {},
      )
    }
  } catch (error) {
    if (!signal.aborted) pictures[key] = `ended with ${error}`
  }
}

test('after any bad answers the picture is right soon, few requests were sent, and callbacks came once', async () => {
  const page = await browser.context.newPage()
  // A page of a server here may ask other servers here; one that is made up may not.
  await page.goto(address)
  await page.addScriptTag({ content: await bundle('bad-answers-page.ts'), type: 'module' })
  await page.waitForFunction(() => 'badAnswersPage' in globalThis)
  const inBrowser = cases.filter(({ kind }) => kind !== 'watch' && kind !== 'watchAll')
  await page.evaluate(
    (panels) =>
      (globalThis as unknown as { badAnswersPage: BadAnswersPage }).badAnswersPage.show(panels as never),
    inBrowser.map(({ key, kind, baseUrl }) => ({ key, hook: kind, baseUrl })),
  )
  for (const one of cases) if (!inBrowser.includes(one)) void follow(one)
  const shown = async () => ({
    ...pictures,
    ...(await page.evaluate(
      () => (globalThis as unknown as { badAnswersPage: BadAnswersPage }).badAnswersPage.pictures,
    )),
  })

  await new Promise((resolve) => setTimeout(resolve, BAD_MS))
  const tooMany = cases.filter(({ key, server }) => server.requests - (reads[key] ?? 0) > MAX_REQUESTS)
  expect(tooMany.map(({ key, server }) => `${key}: ${server.requests}`)).toEqual([])
  for (const { server } of cases) server.behave()
  const wrong = async () => {
    const now: Record<string, string | undefined> = await shown()
    return cases.filter(({ key, kind }) => now[key] !== RIGHT[kind]).map(({ key }) => `${key}: ${now[key]}`)
  }
  await expect.poll(wrong, { timeout: RIGHT_WITHIN_MS }).toEqual([])

  const completions = await page.evaluate(
    () => (globalThis as unknown as { badAnswersPage: BadAnswersPage }).badAnswersPage.completions,
  )
  const expected = cases.filter(({ kind }) => kind === 'status').map(({ key }) => [key, 1])
  expect(completions).toEqual(Object.fromEntries(expected))
})
