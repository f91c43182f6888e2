import type { Page, Route } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bundle } from './bundle.ts'
import { launchChromium } from './chromium.ts'
import type { HookLifePage } from './hook-life-page.ts'

type Answer = (route: Route) => Promise<void>
const CREATED = '2026-01-05T01:00:00.000Z'
const ATTEMPT = { attempt: 1, startedAt: CREATED, endedAt: null, outcome: null, error: null, stack: null }

let browser: Awaited<ReturnType<typeof launchChromium>>
let page: Page
let script: string
/** What the server does, by the path below the prefix; the test changes it. */
let answers: Record<string, Answer>
let asked: string[]

beforeAll(async () => {
  script = await bundle('hook-life-page.ts')
  browser = await launchChromium()
})
afterAll(() => browser?.close())

beforeEach(async () => {
  asked = []
  answers = {}
  page = await browser.context.newPage()
  await page.route('**/*', async (route) => {
    const { pathname } = new URL(route.request().url())
    if (!pathname.startsWith('/api/admin')) {
      return route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' })
    }
    const path = pathname.replace('/api/admin', '')
    asked.push(path)
    const answer = answers[path]
    // Streams do not work here unless the test says so: the hooks poll.
    return answer ? answer(route) : route.fulfill({ status: 404, json: problem('NOT_FOUND') })
  })
  await page.goto('http://127.0.0.1:9/hook-life')
  await page.addScriptTag({ content: script, type: 'module' })
  await page.waitForFunction(() => 'hookLifePage' in globalThis)
})
afterEach(() => page?.close())

const problem = (code: string) => ({ type: 'about:blank', title: code, status: 404, detail: code, code })
const status =
  (code: number): Answer =>
  (route) =>
    route.fulfill({ status: code, body: 'no' })
const give =
  (json: unknown): Answer =>
  (route) =>
    route.fulfill({ json })
const held = () => {
  let release: (answer: Answer) => void = () => {}
  const chosen = new Promise<Answer>((resolve) => {
    release = resolve
  })
  return { release, answer: (async (route) => (await chosen)(route)) satisfies Answer as Answer }
}
const taskIn = (now: string) => ({
  taskId: 'task_1',
  taskType: 'work',
  status: now,
  progress: 1,
  total: 2,
  percent: 50,
  createdAt: CREATED,
  startedAt: CREATED,
  completedAt: now === 'completed' ? CREATED : null,
  cancelledAt: now === 'cancelled' ? CREATED : null,
  runAt: CREATED,
  attempts: [ATTEMPT],
})
const listOf = (now: string) => ({ tasks: [taskIn(now)], total: 1, page: 1, pageSize: 50, nextCursor: null })

const run = <K extends 'show' | 'hide' | 'start'>(name: K, argument: Parameters<HookLifePage[K]>[0]) =>
  page.evaluate(
    ([key, value]) =>
      (globalThis as unknown as { hookLifePage: Record<string, (v: unknown) => void> }).hookLifePage[
        key as string
      ]?.(value),
    [name, argument] as const,
  )
const seen = () =>
  page.evaluate(() => (globalThis as unknown as { hookLifePage: HookLifePage }).hookLifePage.seen)
const lists = () =>
  page.evaluate(() => (globalThis as unknown as { hookLifePage: HookLifePage }).hookLifePage.lists)
const count = (path: string) => asked.filter((one) => one === path).length

describe('useTaskStatus', () => {
  test('opened while the server is away, hidden and shown again, it asks again', async () => {
    answers['/tasks/task_1'] = status(502)
    answers['/tasks/task_1/events'] = status(502)
    await run('show', { statuses: 1 })
    await expect.poll(() => count('/tasks/task_1/events')).toBeGreaterThan(0)
    await run('hide', true)
    await page.waitForTimeout(300)
    answers = { '/tasks/task_1': give(taskIn('running')) }
    await run('hide', false)
    await expect.poll(seen).toContain('running')
  })

  test('closed during a slow cancel and opened again, it follows the task', async () => {
    answers['/tasks/task_1'] = give(taskIn('running'))
    const cancel = held()
    answers['/tasks/task_1/cancel'] = cancel.answer
    await run('show', { statuses: 1 })
    await expect.poll(seen).toContain('running')
    await run('start', 'cancel')
    await run('show', { statuses: 0 })
    await page.waitForTimeout(300)
    await run('show', { statuses: 1 })
    await expect.poll(async () => (await seen()).filter((word) => word === 'running').length).toBe(2)
    answers['/tasks/task_1'] = give(taskIn('cancelled'))
    cancel.release(give(taskIn('cancelled')))
    await expect.poll(async () => (await seen()).at(-1)).toMatch(/^on(Cancelled|cancel)$/)
    await expect.poll(seen).toContain('cancelled')
  })

  test('an answer that was asked for before the end does not bring the task back', async () => {
    answers['/tasks/task_1'] = give(taskIn('running'))
    await run('show', { statuses: 1 })
    await expect.poll(seen).toContain('running')
    const slow = held()
    let first = true
    answers['/tasks/task_1'] = async (route) => {
      if (!first) return give(taskIn('completed'))(route)
      first = false
      return slow.answer(route)
    }
    await run('start', 'refetch')
    await expect.poll(seen).toContain('onComplete')
    slow.release(give(taskIn('running')))
    await expect.poll(seen).toContain('onrefetch')
    expect((await seen()).filter((word) => word !== 'loading')).toEqual([
      'running',
      'completed',
      'onComplete',
      'onrefetch',
    ])
  })

  test('a task whose end the answer to a cancel tells is called back for once', async () => {
    answers['/tasks/task_1'] = give(taskIn('running'))
    answers['/tasks/task_1/cancel'] = async (route) => {
      answers['/tasks/task_1'] = give(taskIn('cancelled'))
      await give(taskIn('cancelled'))(route)
    }
    await run('show', { statuses: 2 })
    await expect.poll(seen).toContain('running')
    await run('start', 'cancel')
    await expect.poll(async () => (await seen()).filter((word) => word === 'onCancelled').length).toBe(2)
    await run('start', 'refetch')
    await expect.poll(seen).toContain('onrefetch')
    expect((await seen()).filter((word) => word === 'onCancelled')).toHaveLength(2)
  })

  test('a 401 ends it, and it goes on when the tab is shown again after a log-in', async () => {
    answers['/tasks/task_1/events'] = (route) =>
      route.fulfill({ status: 401, json: problem('UNAUTHENTICATED') })
    await run('show', { statuses: 1 })
    await expect.poll(() => asked.length).toBeGreaterThan(0)
    answers = { '/tasks/task_1': give(taskIn('running')) }
    await run('hide', true)
    await run('hide', false)
    await expect.poll(seen).toContain('running')
  })
})

describe('useTaskList', () => {
  test('a second list, and one that is switched off and on, are read', async () => {
    answers['/tasks'] = give(listOf('running'))
    await run('show', { lists: 1 })
    await expect.poll(lists).toEqual(['running'])
    await run('show', { lists: 2 })
    await expect.poll(lists).toEqual(['running', 'running'])
    await run('show', { lists: 2, enabled: false })
    answers['/tasks'] = give(listOf('completed'))
    await run('show', { lists: 2, enabled: true })
    await expect.poll(lists).toEqual(['completed', 'completed'])
  })

  test('a list of another client shows nothing of the first one', async () => {
    answers['/tasks'] = give(listOf('running'))
    await run('show', { lists: 1 })
    await expect.poll(lists).toEqual(['running'])
    const slow = held()
    answers['/other/tasks'] = slow.answer
    await run('show', { lists: 1, other: true })
    await expect.poll(() => count('/other/tasks')).toBeGreaterThan(0)
    expect(await lists()).toEqual(['loading'])
    slow.release(give(listOf('completed')))
    await expect.poll(lists).toEqual(['completed'])
  })

  test('a list that was refused with 503 is read again, though its live stream tells nothing', async () => {
    await page.evaluate(() => {
      const { fetch } = globalThis
      const silent = () => {
        const body = new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode(': hello\n\n')) })
        return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
      }
      globalThis.fetch = async (input, init) =>
        String(input).endsWith('/tasks/events') ? silent() : fetch(input, init)
    })
    answers['/tasks'] = status(503)
    await run('show', { lists: 1 })
    // Under StrictMode it may be read twice by itself.
    await expect.poll(() => count('/tasks')).toBeGreaterThan(1)
    await expect.poll(async () => (await lists())[0]).toMatch(/^error/)
    answers['/tasks'] = give(listOf('running'))
    await expect.poll(lists).toEqual(['running'])
  })

  test('after a 401 and a new log-in its rows are live again', async () => {
    const refuse: Answer = (route) => route.fulfill({ status: 401, json: problem('UNAUTHENTICATED') })
    answers['/tasks'] = refuse
    answers['/tasks/events'] = refuse
    await run('show', { lists: 1 })
    await expect.poll(lists).toEqual(['error UNAUTHENTICATED'])
    answers = { '/tasks': give(listOf('running')) }
    await run('start', 'refetchList')
    await expect.poll(lists).toEqual(['running'])
    answers['/tasks'] = give(listOf('completed'))
    await expect.poll(lists).toEqual(['completed'])
  })
})
