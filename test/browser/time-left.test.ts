import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { PageServer } from './admin-page.ts'
import { useAdminPage } from './use-admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

let server: PageServer
let browser: WatchedBrowser

const { task } = createTaskRegistry()
const resumes = task('resumes', { params: z.object({}) })(async (_params, ctx) => {
  ctx.progress(90, 100)
  await ctx.sleep('a while', 1)
  await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
})

useAdminPage({ tasks: [resumes] }, (opened) => {
  ;({ server, browser } = opened)
})

/** A task whose second attempt runs with the progress of its first one. */
async function startResumed(): Promise<string> {
  const { tasks } = server.app
  const { taskId } = await tasks.createTask('resumes', {})
  const hasResumed = async () => {
    const found = await tasks.getTask(taskId)
    return found?.status === 'running' && found.attempts.length === 2
  }
  await expect.poll(hasResumed).toBe(true)
  return taskId
}

/** Seconds that a text such as `2 min 5 s left` tells. */
async function secondsLeft(page: Page, place: string): Promise<number | undefined> {
  const [words = ''] = await page.locator(`${place} .num`, { hasText: / left$/ }).allTextContents()
  const [, minutes = '0', seconds] = /^(?:(\d+) min )?(\d+) s left$/.exec(words) ?? []
  return seconds === undefined ? undefined : Number(minutes) * 60 + Number(seconds)
}

test.each([
  ['the task', (taskId: string) => ({ query: `?task=${taskId}`, place: '.progress-card', slash: ' / ' })],
  [
    'the list',
    (taskId: string) => ({
      query: '?view=tasks',
      place: `tr[data-task="${taskId}"] .cell-progress`,
      slash: '/',
    }),
  ],
])('in %s, the time left of a resumed run is told by what its last attempt does', async (_where, find) => {
  const { tasks } = server.app
  const taskId = await startResumed()
  const { query, place, slash } = find(taskId)
  const page = await browser.context.newPage()
  await page.clock.install()
  await page.goto(`${server.origin}/admin/${query}`)
  const report = async (progress: number) => {
    await tasks.updateProgress(taskId, progress, 100)
    await page.locator(place).getByText(`${progress}${slash}100`).waitFor()
  }
  await page.locator(place).getByText(`90${slash}100`).waitFor()
  await page.clock.fastForward(5_000)
  expect(await secondsLeft(page, place)).toBeUndefined()

  // Nobody knows how long this one took.
  await report(91)
  await page.clock.fastForward(5_000)
  expect(await secondsLeft(page, place)).toBeUndefined()

  // Five seconds a step, and eight of them.
  await report(92)
  await expect.poll(() => secondsLeft(page, place)).toBeGreaterThan(30)
  const left = (await secondsLeft(page, place)) ?? 0
  expect(left).toBeLessThan(80)
  await page.clock.fastForward(10_000)
  await expect.poll(() => secondsLeft(page, place)).toBeLessThan(left - 8)
  expect(await secondsLeft(page, place)).toBeGreaterThan(left - 30)
  await page.close()
  await tasks.cancelTask(taskId)
})
