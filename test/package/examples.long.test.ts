import { readdirSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { launchChromium } from '../browser/chromium.ts'
import { HAS_CHROMIUM } from '../browser/executable.ts'
import { ExampleProject, type RunningServer, usePackedTarball } from './example-project.ts'
import { root, run } from './installed-package.ts'

// Each of them installs packages.
vi.setConfig({ testTimeout: 400_000 })

usePackedTarball()

const tsc = path.join(root, 'node_modules/typescript/bin/tsc')

/** Reads from the REST interface of a server. */
function reader({ address }: RunningServer, token: unknown) {
  const headers = { authorization: `Bearer ${token}` }
  return async (call: string): Promise<Record<string, unknown>> => {
    const response = await fetch(`${address}/api/admin${call}`, { headers })
    return response.json() as Promise<Record<string, unknown>>
  }
}

test('every example is run here', () => {
  const folders = readdirSync(path.join(root, 'examples'), { withFileTypes: true })
  const names = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  expect(names.sort()).toEqual(['drizzle', 'minimal', 'react', 'web-and-worker'])
})

test('minimal: a route creates a task, which runs and is shown on the admin page', async () => {
  const { project, server } = await ExampleProject.start('minimal')
  const [created] = await project.runBlock(1, server)
  const read = reader(server, 'secret')
  await expect
    .poll(() => read(`/tasks/${created?.taskId}`))
    .toMatchObject({
      status: 'completed',
      percent: 100,
      result: { photos: 20 },
    })
  expect((await fetch(`${server.address}/admin/`)).status).toBe(200)
  expect((await fetch(`${server.address}/api/admin/tasks`)).status).toBe(401)
  expect(await server.stop()).toEqual([0, null])
})

test('web and worker: tasks wait for workers, which share them and drain', async () => {
  const { project, server: web } = await ExampleProject.start('web-and-worker')
  const read = reader(web, 'secret')
  const [created] = await project.runBlock(2, web)
  expect(await read('/executors')).toMatchObject({ executors: [] })
  expect(await read(`/tasks/${created?.taskId}`)).toMatchObject({ status: 'pending', params: { year: 2030 } })

  const startWorker = project.blocks[1]?.trim() ?? ''
  const workers = await Promise.all([project.serve(startWorker), project.serve(startWorker)])
  await expect
    .poll(() => read(`/tasks/${created?.taskId}`))
    .toMatchObject({
      status: 'completed',
      result: { year: 2030, pages: 12 },
    })
  for (const { address } of workers) {
    await expect.poll(async () => (await fetch(`${address}/ready`)).status).toBe(200)
    expect((await fetch(`${address}/api/admin/tasks`)).status).toBe(404)
  }
  await Promise.all(Array.from({ length: 10 }, () => project.runBlock(2, web)))
  // A stopping worker finishes what it runs, and the other one the rest.
  expect(await workers[0].stop()).toEqual([0, null])
  await expect.poll(() => read('/tasks?status=completed')).toMatchObject({ total: 11 })
  expect(await read('/tasks')).toMatchObject({ tasks: Array(11).fill({ retryCount: 0 }) })
  expect(await workers[1].stop()).toEqual([0, null])
  expect(await web.stop()).toEqual([0, null])
})

test('Drizzle: an order and its task are one commit, a unique key prevents a second task, users see their own', async () => {
  const { project, server } = await ExampleProject.start('drizzle')
  await run(process.execPath, [tsc, '-p', '.'], { cwd: project.folder })
  expect(await project.sh('npm run db:generate')).toContain('No schema changes')

  const sh = (command: string) =>
    project.sh(command.replaceAll('localhost:3000', new URL(server.address).host))
  const [signUp = '', order = '', statement = '', list = ''] = project.blocks[1]?.trim().split('\n') ?? []
  const [token, ordered, asked, listed] = (
    await sh([signUp, 'echo $TOKEN', order, 'echo', statement, 'echo', list].join('\n'))
  ).split('\n')
  expect(JSON.parse(ordered ?? '')).toMatchObject({ orderId: 1, taskId: expect.any(String) })
  expect(JSON.parse(listed ?? '').tasks).toHaveLength(2)
  const ada = reader(server, token)
  const { taskId } = JSON.parse(asked ?? '')
  await expect.poll(() => ada(`/tasks/${taskId}`)).toMatchObject({ result: { orders: 1, total: 60 } })
  const findOrders = async () =>
    (await project.database.pool.query('select item, confirmed_at from orders')).rows
  await expect.poll(findOrders).toEqual([{ item: 'chair', confirmed_at: expect.any(Date) }])

  const post = async (route: string, body?: object) => {
    const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) }
    const response = await fetch(server.address + route, {
      method: 'POST',
      headers,
      body: JSON.stringify(body) ?? null,
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  expect((await post('/orders', { item: 'chair', price: 60 })).status).toBe(409)
  expect(await findOrders()).toHaveLength(1)
  expect(await ada('/tasks?taskType=confirm_order')).toMatchObject({ total: 1 })

  const command = (name: string) =>
    project.sh(`npx fastify-async-tasks ${name} write_statement --schema jobs`)
  await command('pause')
  const [first, second] = [await post('/statements'), await post('/statements')]
  expect([first.body.created, second.body]).toEqual([true, { taskId: first.body.taskId, created: false }])
  expect(await (await fetch(`${server.address}/waiting`)).json()).toEqual({ waiting: 1 })
  await command('resume')
  await expect.poll(() => ada(`/tasks/${first.body.taskId}`)).toMatchObject({ status: 'completed' })

  const other = (await sh(`${signUp.replace('ada', 'ben')}\necho $TOKEN`)).trim()
  expect(await reader(server, other)('/tasks')).toMatchObject({ tasks: [], total: 0 })
  expect(await reader(server, other)(`/tasks/${taskId}`)).toMatchObject({ code: 'TASK_NOT_FOUND' })
  await project.database.pool.query(`update users set is_staff = true where email like 'ben%'`)
  expect(await reader(server, other)('/tasks')).toMatchObject({ total: 3 })
  expect(await server.stop()).toEqual([0, null])
})

test.runIf(HAS_CHROMIUM || process.env.CI)(
  'React: a visitor follows an import of their own live, and cancels one',
  async () => {
    const { project, server } = await ExampleProject.start('react')
    await run(process.execPath, [tsc, '-p', '.'], { cwd: project.folder })
    const { context, close } = await launchChromium()
    onTestFinished(close)
    const page = await context.newPage()
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(error.message))
    await page.goto(server.address)
    await page.getByRole('button', { name: 'Import' }).click()
    const shown = page.getByRole('region', { name: 'Import' })
    await shown.getByText('completed: {"imported":2,"skipped":1}').waitFor()
    await shown.getByText('WARNING nobody is no address').waitFor()
    expect(await shown.locator('progress').getAttribute('value')).toBe('100')
    const history = page.getByRole('list', { name: 'My imports' }).getByRole('listitem')
    await history.filter({ hasText: 'completed, 100 %' }).waitFor()

    await page
      .getByLabel('Addresses')
      .fill(Array.from({ length: 900 }, (_, n) => `${n}@example.com`).join('\n'))
    await page.getByRole('button', { name: 'Import' }).click()
    await shown.getByRole('button', { name: 'Cancel' }).click()
    await shown.getByText('cancelled').waitFor()
    await expect.poll(() => history.count()).toBe(2)

    await context.clearCookies()
    await page.reload()
    await page.getByText('No imports yet').waitFor()
    expect(await history.count()).toBe(0)
    expect(problems).toEqual([])
    expect(await server.stop()).toEqual([0, null])
  },
)
