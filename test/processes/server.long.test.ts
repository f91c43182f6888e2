import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import {
  clonePrivately,
  cloneProject,
  expectNothingLeft,
  isReady,
  processesOf,
  ServerProcess,
} from './server-process.ts'

const asRoot = process.getuid?.() === 0

test('two servers that boot at once on one database both come up, and one migrates', async () => {
  const database = await createTestDatabase('empty')
  onTestFinished(() => database.drop())
  const folder = cloneProject()
  const servers = [1, 2].map(() => new ServerProcess(folder, { DATABASE_URL: database.url }))
  for (const server of servers) expect(await isReady(await server.listening())).toBe(200)
  const { rows } = await database.pool.query(
    'select count(*)::int as entries, count(distinct hash)::int as migrations from async_tasks_migrations',
  )
  expect(rows[0].entries).toBe(rows[0].migrations)
  expect(servers.filter((server) => server.output.includes('first boot'))).toHaveLength(1)
  for (const server of servers) server.npm.kill('SIGTERM')
  expect(await Promise.all(servers.map((server) => server.exitCode))).toEqual([0, 0])
  expect(existsSync(path.join(folder, '.data/postgres'))).toBe(false)
})

test.each(['info', 'error'])(
  'at log level %s it says once where it listens, and the password',
  async (level) => {
    const server = new ServerProcess(cloneProject(), { LOG_LEVEL: level })
    expect(await isReady(await server.listening())).toBe(200)
    server.npm.kill('SIGTERM')
    expect(await server.exitCode).toBe(0)
    expect(server.output.match(/listening at/g)).toHaveLength(1)
    expect(server.output.match(/with the password/g)).toHaveLength(1)
    await expectNothingLeft(server)
  },
)

test('a port in use stops the start, and the password of a first boot is said all the same', async () => {
  const folder = cloneProject()
  const holder = new ServerProcess(cloneProject())
  const server = new ServerProcess(folder, { PORT: new URL(await holder.listening()).port })
  expect(await server.exitCode).toBe(1)
  expect(server.output).toMatch(/EADDRINUSE/)
  expect(server.output).toContain('with the password')
  await expectNothingLeft(server)
})

test.runIf(asRoot)(
  'it works as root in a folder that the user postgres cannot enter, and says where data are',
  async () => {
    const server = new ServerProcess(clonePrivately())
    const address = await server.listening()
    const home = await server.says(/lives in (\/var\/lib\/fastify-async-tasks\/\w+)/)
    onTestFinished(() => rmSync(home, { recursive: true }))
    expect(await isReady(address)).toBe(200)
    server.npm.kill('SIGTERM')
    expect(await server.exitCode).toBe(0)
    expect(processesOf(home)).toEqual([])
  },
)

test('a start builds the admin page where it is missing, and where its sources have changed', async () => {
  const folder = cloneProject()
  rmSync(path.join(folder, 'dist'), { recursive: true })
  const index = async (address: string) => (await fetch(`${address}/admin/`)).text()

  const first = new ServerProcess(folder)
  const address = await first.listening()
  await first.says(/built the admin page in \d+ ms/)
  expect(await index(address)).toContain('name="tasks-api" content="../api/admin"')
  first.npm.kill('SIGTERM')
  expect(await first.exitCode).toBe(0)

  const html = path.join(folder, 'src/dashboard/index.html')
  writeFileSync(html, readFileSync(html, 'utf8').replace('<title>Tasks</title>', '<title>Changed</title>'))
  const second = new ServerProcess(folder)
  const next = await second.listening()
  await second.says(/its sources have changed/)
  expect(await index(next)).toContain('<title>Changed</title>')
  second.npm.kill('SIGTERM')
  expect(await second.exitCode).toBe(0)
})

test('a page that cannot be built stops no server, and says where to look', async () => {
  const folder = cloneProject()
  rmSync(path.join(folder, 'dist'), { recursive: true })
  writeFileSync(path.join(folder, 'src/dashboard/main.tsx'), "import './nowhere.ts'\n")
  const server = new ServerProcess(folder)
  const address = await server.listening()
  await server.says(/nowhere\.ts[\s\S]*the admin page could not be built/)
  expect(await isReady(address)).toBe(200)
  const answer = await fetch(`${address}/admin/`)
  expect(answer.status).toBe(503)
  expect(await answer.text()).toContain('npm run build:dashboard')
  server.npm.kill('SIGTERM')
  expect(await server.exitCode).toBe(0)
})
