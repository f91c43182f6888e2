import type { Page, Request } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { ADMIN, type BundledServer, startBundledServer } from '../http/bundled-server.ts'
import { createGate } from '../support/engine.ts'
import { bundle } from './bundle.ts'
import { launchChromium } from './chromium.ts'
import type { HookPage } from './hook-page.ts'

const { task } = createTaskRegistry()
let gate = createGate()
let failing = false
const work = task('work', { maxRetries: 0 })(async (_params, ctx) => {
  ctx.log.info('collecting')
  ctx.progress(1, 4, 'collecting')
  await gate.opened
  if (failing) throw new Error('out of paper')
  ctx.log.info('printing')
  ctx.progress(3, 4, 'printing')
})

let server: BundledServer
let browser: Awaited<ReturnType<typeof launchChromium>>
let page: Page
let address: string
let script: string
let complaints: string[]
/** Streams that the page has opened, and whether they are still open. */
let streams: Map<Request, 'open' | 'closed'>

beforeAll(async () => {
  server = await startBundledServer({ tasks: [work] })
  address = await server.app.listen({ port: 0, host: '127.0.0.1' })
  script = await bundle('hook-page.ts')
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

beforeEach(async () => {
  gate = createGate()
  failing = false
  page = await browser.context.newPage()
  complaints = []
  streams = new Map()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (request.url().endsWith('/events')) streams.set(request, 'open')
  })
  const onClosed = (request: Request) => {
    if (streams.has(request)) streams.set(request, 'closed')
  }
  page.on('requestfailed', onClosed)
  page.on('requestfinished', onClosed)
  // Only the page itself is given here; all it asks for comes from the server.
  await page.route('**/hook-page', (route) =>
    route.fulfill({ contentType: 'text/html', body: `<!doctype html><body></body>` }),
  )
  await page.goto(`${address}/hook-page`)
  await page.addScriptTag({ content: script, type: 'module' })
  await page.waitForFunction(() => 'hookPage' in globalThis)
  await page.evaluate(
    (admin) => (globalThis as unknown as { hookPage: HookPage }).hookPage.client.login(admin),
    ADMIN,
  )
})
afterEach(() => page?.close())

type Shown = Parameters<HookPage['show']>
const show = (...shown: Shown) =>
  page.evaluate((given) => (globalThis as unknown as { hookPage: HookPage }).hookPage.show(...given), shown)
const calls = () => page.evaluate(() => (globalThis as unknown as { hookPage: HookPage }).hookPage.calls)
const text = (selector: string) => page.textContent(selector)
const sees = (selector: string, words: string) => expect.poll(() => text(selector)).toContain(words)
/** The tasks of the streams that are open; `tasks` is that of all. */
const streamed = () =>
  [...streams].filter(([, state]) => state === 'open').map(([request]) => request.url().split('/').at(-2))

describe('useTaskStatus', () => {
  test('two components and a log of one task make one connection, and follow it to its end', async () => {
    const { taskId } = await server.app.tasks.createTask(work)
    await show({ A: taskId, B: taskId }, { logs: true })
    await sees('#A', 'collecting')
    await sees('#B', '25 %')
    await sees('pre', 'collecting')
    await expect.poll(() => page.getAttribute('#A', 'data-connection')).toBe('live')
    await expect.poll(() => page.getAttribute('#A', 'data-polling')).toBe('true')
    await expect.poll(streamed).toEqual([taskId])

    gate.open()
    await sees('#A b', 'completed')
    await sees('#B', '100 %')
    await sees('pre', 'printing')
    await expect.poll(streamed).toEqual([])
    await expect.poll(() => page.getAttribute('#A', 'data-polling')).toBe('false')
    const said = await calls()
    expect(said.filter((call) => call.endsWith('complete')).sort()).toEqual(['A complete', 'B complete'])
    expect(said).toContain('A progress')
    expect(complaints).toEqual([])
  })

  test('the connection is closed with the last component that needs it', async () => {
    const { taskId } = await server.app.tasks.createTask(work)
    await show({ A: taskId, B: taskId })
    await sees('#B', 'running')
    await show({ A: taskId })
    await sees('#A', 'running')
    await expect.poll(streamed).toEqual([taskId])
    await show({})
    await expect.poll(streamed).toEqual([])
    expect(complaints).toEqual([])
    gate.open()
  })

  test('another id is another task', async () => {
    const [first, second] = await server.app.tasks.createTasks([{ task: work }, { task: work }])
    await show({ A: first.taskId })
    await sees('#A', 'running')
    await show({ A: second.taskId })
    await expect.poll(streamed).toEqual([second.taskId])
    gate.open()
    await sees('#A b', 'completed')
    expect((await calls()).filter((call) => call.endsWith('complete'))).toEqual(['A complete'])
    expect(complaints).toEqual([])
  })

  test('rests while the tab is hidden, and misses nothing', async () => {
    const { taskId } = await server.app.tasks.createTask(work)
    await show({ A: taskId }, { logs: true })
    await sees('pre', 'collecting')
    const setHidden = (hidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true })
                     document.dispatchEvent(new Event('visibilitychange'))`)
    await setHidden(true)
    await expect.poll(streamed).toEqual([])
    gate.open()
    await server.app.tasks.waitFor(taskId)
    expect(await text('#A b')).toBe('running')
    await setHidden(false)
    await sees('#A b', 'completed')
    await sees('pre', 'collecting\nprinting')
  })

  test('cancels, and tells of a cancel and of a failure', async () => {
    const cancelled = await server.app.tasks.createTask(work)
    await show({ A: cancelled.taskId })
    await sees('#A', 'running')
    const answer = await page.evaluate(() =>
      (globalThis as unknown as { hookPage: HookPage }).hookPage.cancel(),
    )
    expect(answer.status).toBe('cancelled')
    await sees('#A b', 'cancelled')
    failing = true
    gate.open()
    const failed = await server.app.tasks.createTask(work)
    await show({ A: failed.taskId })
    await sees('#A b', 'failed')
    const ends = (await calls()).filter((call) => !call.endsWith('progress'))
    expect(ends).toEqual(['A cancelled', 'A failed'])
  })

  test('polls where streams do not get through', async () => {
    await page.route('**/events', (route) =>
      route.fulfill({ status: 200, contentType: 'text/html', body: '<h1>portal</h1>' }),
    )
    const { taskId } = await server.app.tasks.createTask(work)
    await show({ A: taskId }, { logs: true, pollIntervalMs: 100 })
    await sees('#A', 'collecting')
    await expect.poll(() => page.getAttribute('#A', 'data-connection')).toBe('polling')
    gate.open()
    await sees('#A b', 'completed')
    await sees('pre', 'collecting\nprinting')
  })

  test('says what is wrong with an id that leads nowhere', async () => {
    await show({ A: 'task_nobody' })
    await sees('#A', 'error there is no task')
    // The browser itself reports every 404.
    expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
  })
})

test('a task that has ended is followed again when the list beside it shows that it was retried', async () => {
  gate.open()
  const { taskId } = await server.app.tasks.createTask(work)
  await server.app.tasks.waitFor(taskId)
  await show({ A: taskId }, { list: true })
  await sees('#A', 'completed')
  gate = createGate()
  await server.app.tasks.retryTask(taskId)
  await sees('#A', 'running')
  gate.open()
  await sees('#A', 'completed')
  await server.app.tasks.deleteTask(taskId)
  await sees('#A', 'there is no task')
  complaints = []
})

test('useTaskList shows what comes, changes and ends, over one connection', async () => {
  await show({}, { list: true })
  await expect.poll(() => page.getAttribute('ul', 'data-connection')).toBe('live')
  const { taskId } = await server.app.tasks.createTask(work)
  await sees(`#row-${taskId}`, 'running')
  gate.open()
  await sees(`#row-${taskId}`, 'completed')
  await expect.poll(streamed).toEqual(['tasks'])
  expect(complaints).toEqual([])
})
