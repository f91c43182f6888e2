import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { ADMIN, startBundledServer } from '../http/bundled-server.ts'
import { blocksOf } from '../support/docs.ts'
import { createGate } from '../support/engine.ts'
import { bundle } from './bundle.ts'
import { launchChromium } from './chromium.ts'

const sources = path.resolve(import.meta.dirname, '../../src/client')
const [example] = blocksOf('docs/live.md').filter(({ language }) => language === 'tsx')

/** The example, and what shows it. */
const PAGE = `${example?.text
  .replace(`'fastify-async-tasks/client'`, `'${sources}/index.ts'`)
  .replace(`'fastify-async-tasks/react'`, `'${sources}/react/index.ts'`)}
import { createRoot } from 'react-dom/client'
await client.login(${JSON.stringify(ADMIN)})
createRoot(document.body).render(<App taskId={location.hash.slice(1)} />)`

test('the components of docs/live.md show a task live, cancel it, and say when it is done', async () => {
  let gate = createGate()
  const work = createTaskRegistry().task('work')(async (_params, ctx) => {
    ctx.log.info('collecting')
    ctx.progress(1, 4, 'collecting')
    await Promise.race([gate.opened, new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))])
    return { books: 7 }
  })
  const server = await startBundledServer({ tasks: [work] })
  onTestFinished(() => server.close())
  const address = await server.app.listen({ port: 0, host: '127.0.0.1' })
  const script = await bundle('live-example.tsx', PAGE)
  const { context, close } = await launchChromium()
  onTestFinished(close)
  const said: string[] = []

  async function show(): Promise<{ taskId: string; page: Awaited<ReturnType<typeof context.newPage>> }> {
    const { taskId } = await server.app.tasks.createTask(work)
    const page = await context.newPage()
    page.on('console', (message) => {
      // React tells of its tools, at the level `info`.
      if (message.type() !== 'info') said.push(message.text())
    })
    page.on('pageerror', (error) => said.push(String(error)))
    await page.route('**/example', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' }),
    )
    await page.goto(`${address}/example#${taskId}`)
    await page.addScriptTag({ content: script, type: 'module' })
    await page.locator('span', { hasText: '25 %' }).waitFor()
    await page.locator('pre', { hasText: 'collecting' }).waitFor()
    return { taskId, page }
  }

  const { page } = await show()
  gate.open()
  await page.locator('span', { hasText: '100 %' }).waitFor()
  await expect.poll(() => said).toEqual([expect.stringMatching(/^imported /)])

  gate = createGate()
  const second = await show()
  await second.page.getByRole('button', { name: 'Cancel' }).click()
  await expect.poll(() => second.page.getByRole('button', { name: 'Cancel' }).isDisabled()).toBe(true)
  expect(await server.app.tasks.waitFor(second.taskId)).toMatchObject({ status: 'cancelled' })
  expect(said).toHaveLength(1)
})
