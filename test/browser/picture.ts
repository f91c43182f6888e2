import { fork } from 'node:child_process'
import { once } from 'node:events'
import type pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import { createTasksClient, type TasksClient } from '../../src/client/index.ts'
import { ADMIN, logIn, startBundledServer } from '../http/bundled-server.ts'
import { bundle } from './bundle.ts'
import { launchChromium } from './chromium.ts'
import type { HookPage } from './hook-page.ts'
import { changeAtRandom, quick, steps } from './random-changes.ts'
import { countViewerStatements, type ViewerStatements } from './viewer-statements.ts'

type Statuses = Map<string, string>

export interface Comparison {
  /** How long after the last change both viewers showed what the table holds. */
  readonly lagMs: number
  /** While changes were made, by both processes together: statements a second for the sake of viewers. */
  readonly statementsPerSecond: number
}

/**
 * Two processes make random changes of tasks while a client watches all tasks and a page shows a list, until both show what
 * the table holds.
 */
export async function compareAfter(changes: number): Promise<Comparison> {
  const server = await startBundledServer({ tasks: [quick, steps] })
  onTestFinished(() => server.close())
  const address = await server.app.listen({ port: 0, host: '127.0.0.1' })
  const token = await logIn(server.app, ADMIN)
  const client = createTasksClient({ baseUrl: `${address}/api/admin`, token })
  const ended = new AbortController()
  onTestFinished(() => ended.abort())
  const watched = await watch(client, ended.signal)
  const shown = await showList(address)

  // Both processes change these, beside their own.
  const shared = await server.app.tasks.createTasks(
    Array.from({ length: 50 }, () => ({ task: quick, delayMs: 3_600_000 })),
  )
  const taskIds = shared.map(({ taskId }) => taskId)
  const here = countViewerStatements()
  onTestFinished(() => here.stop())
  const started = performance.now()
  const [elsewhere] = await Promise.all([
    changeElsewhere(server.database.directUrl, changes / 2, taskIds),
    changeAtRandom([server.app.tasks], changes / 2, taskIds),
  ])
  const seconds = (performance.now() - started) / 1_000
  const counts = { ...here.counts }
  here.stop()
  await expect.poll(() => countUnsettled(server.database.pool)).toBe(0)
  const begun = performance.now()
  const table = await readAll(client)
  const { tasks } = await client.listTasks({ pageSize: 5 })
  await expect.poll(() => Object.fromEntries(watched)).toEqual(Object.fromEntries(table))
  await expect.poll(shown).toEqual(tasks.map(({ taskId, status }) => `row-${taskId} ${status}`))
  const sent = Object.entries(counts).map(([name, count]) => [name, count + (elsewhere[name] ?? 0)] as const)
  console.log(
    `statements for viewers in ${seconds.toFixed(1)} s: ${JSON.stringify(Object.fromEntries(sent))}`,
  )
  return {
    lagMs: performance.now() - begun,
    statementsPerSecond: sent.reduce((sum, [, count]) => sum + count, 0) / seconds,
  }
}

/**
 * Resolves when the other process has made its changes, to what viewers cost it; it goes on running tasks until the test has
 * finished.
 */
async function changeElsewhere(
  url: string,
  changes: number,
  taskIds: readonly string[],
): Promise<ViewerStatements> {
  const child = fork(new URL('./changing-process.ts', import.meta.url), [url, String(changes), ...taskIds])
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    if (child.connected) child.disconnect()
    await exited
  })
  const failed = exited.then(([code]) => Promise.reject(new Error(`the other process ended with ${code}`)))
  const [counts] = await Promise.race([once(child, 'message'), failed])
  failed.catch(() => {})
  return counts
}

/** Running and due ones, in one statement: between two, a due one may have been claimed. */
async function countUnsettled(pool: pg.Pool): Promise<number> {
  const text = `select from async_tasks where status = 'running' or (status = 'pending' and run_at <= now())`
  return (await pool.query(text)).rows.length
}

/** What a viewer holds: it reads all tasks after each connect, and then follows events alone. */
async function watch(client: TasksClient, signal: AbortSignal): Promise<Statuses> {
  const statuses: Statuses = new Map()
  const opened = Promise.withResolvers<void>()
  const follow = async () => {
    for await (const event of client.watchAll({ signal })) {
      if (event.type === 'open') {
        const all = await readAll(client)
        statuses.clear()
        for (const [taskId, status] of all) statuses.set(taskId, status)
        opened.resolve()
      }
      if (event.type === 'task') statuses.set(event.task.taskId, event.task.status)
      if (event.type === 'deleted') statuses.delete(event.taskId)
    }
  }
  follow().catch((error) => {
    if (!signal.aborted) opened.reject(error)
  })
  await opened.promise
  return statuses
}

async function readAll(client: TasksClient): Promise<Statuses> {
  const statuses: Statuses = new Map()
  for (let cursor: string | undefined; ; ) {
    const page = await client.listTasks({ pageSize: 200, ...(cursor ? { cursor } : {}) })
    for (const { taskId, status } of page.tasks) statuses.set(taskId, status)
    if (!page.nextCursor) return statuses
    cursor = page.nextCursor
  }
}

/** A page with `useTaskList`; returns what reads its rows. */
async function showList(address: string): Promise<() => Promise<string[]>> {
  const browser = await launchChromium()
  onTestFinished(() => browser.close())
  const page = await browser.context.newPage()
  await page.route('**/hook-page', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' }),
  )
  await page.goto(`${address}/hook-page`)
  await page.addScriptTag({ content: await bundle('hook-page.ts'), type: 'module' })
  await page.waitForFunction(() => 'hookPage' in globalThis)
  await page.evaluate(async (admin) => {
    const { hookPage } = globalThis as unknown as { hookPage: HookPage }
    await hookPage.client.login(admin)
    hookPage.show({}, { list: true })
  }, ADMIN)
  await page.waitForSelector('ul[data-connection=live]', { state: 'attached' })
  return () => page.$$eval('li', (rows) => rows.map((row) => `${row.id} ${row.textContent}`))
}
