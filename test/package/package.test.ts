import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseSource } from '../support/architecture/source-file.ts'
import { DRIZZLE_APP, STRICTEST } from './drizzle-app.ts'
import {
  createEmptyDatabase,
  embedding,
  example,
  handler,
  host,
  liveGuide,
  root,
  run,
  startApp,
  useInstalledPackage,
} from './installed-package.ts'
import { runEmbeddingExample, runThreadHandler } from './runs-under.ts'

const installed = useInstalledPackage()
const tsc = path.join(root, 'node_modules/typescript/bin/tsc')

/** What a module of the host prints. */
async function evaluate(code: string): Promise<string> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: host })
  return stdout
}

test('it holds the engine, the plugin and the migrations of the engine, and nothing of the server', () => {
  for (const name of [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/engine/store/schema.js',
    'dist/cli/bin.js',
    'README.md',
    'LICENSE',
  ]) {
    expect(installed.packed).toContain(`package/${name}`)
  }
  expect(installed.packed).toContain('package/dist/dashboard/index.html')
  expect(installed.packed.some((name) => /^package\/dist\/dashboard\/assets\/[\w-]+\.js$/.test(name))).toBe(
    true,
  )
  expect(installed.packed.some((name) => /^package\/migrations\/tasks\/\d+_.*\.sql$/.test(name))).toBe(true)
  const foreign =
    /\/(market|migrations\/server|src|test)\/|\/dist\/(app|server|config)\.|\/embedded[\w-]*\.(js|d\.ts)$|\/cli\/((demo|build|embed|publish)[\w-]*|migrate)\./
  expect(installed.packed.filter((name) => foreign.test(name))).toEqual([])
  // The command `users` needs these of the accounts.
  const ofUsers =
    /\/accounts\/(audit|bounded-queue|guessable|passwords|password-rules|user|store\/(audit|change-users|sessions|users))\./
  const ofAccounts = installed.packed.filter((name) => name.includes('/accounts/'))
  expect(ofAccounts.filter((name) => !ofUsers.test(name))).toEqual([])
})

test("the README's embedding example runs a task and shows it over REST", () =>
  runEmbeddingExample(process.execPath))

test('without @opentelemetry/api an app that wants traces is told to install it', async () => {
  const code = `
    import asyncTasks from 'fastify-async-tasks'
    import Fastify from 'fastify'
    const options = { connectionString: 'postgres://127.0.0.1:1/none', routes: false, trace: true }
    await Fastify().register(asyncTasks, options).then(undefined, (error) => console.log(error.message))
  `
  expect(await evaluate(code)).toMatch(/trace needs the package @opentelemetry\/api.*install it/)
})

test('a stop in the middle of a task drains it', async () => {
  const database = await createEmptyDatabase()
  writeFileSync(path.join(host, 'drained.js'), embedding())
  const app = await startApp('drained.js', { DATABASE_URL: database.url })
  // ADMIN_TOKEN is not set here.
  for (const authorization of ['Bearer undefined', 'Bearer ', 'Bearer']) {
    const refused = async () =>
      (await fetch(`${app.address}/api/admin/tasks`, { headers: { authorization } })).status
    // Until the plugin has started: 503.
    await expect.poll(refused).toBe(401)
  }
  await fetch(`${app.address}/books`, { method: 'POST' })
  const status = async () => (await database.pool.query('select status from async_tasks')).rows
  await expect.poll(status).toEqual([{ status: 'running' }])
  app.process.kill('SIGTERM')
  expect(await app.ended).toEqual([0, null])
  expect(await status()).toEqual([{ status: 'completed' }])
})

test('the example of the client follows a task of the embedding example', async () => {
  const database = await createEmptyDatabase()
  writeFileSync(path.join(host, 'watched.js'), embedding())
  const app = await startApp('watched.js', { DATABASE_URL: database.url, ADMIN_TOKEN: 'secret' })
  const TASKS_URL = `${app.address}/api/admin`
  writeFileSync(path.join(host, 'watch.js'), example('js', 'client.watch', liveGuide))
  const env = { PATH: process.env.PATH, TASKS_URL, ADMIN_TOKEN: 'secret' }
  const { stdout } = await run(process.execPath, ['watch.js'], { cwd: host, env })
  const said = stdout.trim().split('\n')
  expect(said).toContain('INFO counting')
  expect(said).toContain('100 % page 20')
  expect(said.at(-1)).toBe("completed { title: 'untitled', pages: 20 }")
})

/** What a built module and all that it imports ask of others. */
function packagesOf(entry: string, seen = new Set<string>()): string[] {
  if (seen.has(entry)) return []
  seen.add(entry)
  const { imports } = parseSource(entry, readFileSync(entry, 'utf8'))
  const targets = imports.map(({ target }) => target)
  return targets.flatMap((target) => (path.isAbsolute(target) ? packagesOf(target, seen) : target))
}

test('the client needs no other package, and the hooks need React alone', async () => {
  const dist = path.join(host, 'node_modules/fastify-async-tasks/dist')
  expect(packagesOf(path.join(dist, 'client/index.js'))).toEqual([])
  expect(new Set(packagesOf(path.join(dist, 'client/react/index.js')))).toEqual(new Set(['react']))
  // Would be seen.
  expect(packagesOf(path.join(dist, 'index.js'))).toEqual(expect.arrayContaining(['pg', 'fastify-plugin']))
  const code = `
    import { createTasksClient } from 'fastify-async-tasks/client'
    import { useTaskStatus } from 'fastify-async-tasks/react'
    console.log(typeof createTasksClient, typeof useTaskStatus)`
  expect(await evaluate(code)).toBe('function function\n')
})

test("metrics need no client of Prometheus but the host's", async () => {
  const dist = path.join(host, 'node_modules/fastify-async-tasks/dist')
  const packages = packagesOf(path.join(dist, 'http/register-metrics.js'))
  expect(packages).toContain('fastify-plugin')
  expect(packages.filter((name) => /^(@prometheus-io\/|prom-client)/.test(name))).toEqual([])
  const code = `
    import { registerMetrics } from 'fastify-async-tasks/metrics'
    console.log(typeof registerMetrics)`
  expect(await evaluate(code)).toBe('function\n')
})

test('a handler runs in a thread, whose worker the package brings along', () =>
  runThreadHandler(process.execPath))

test('the testing kit runs handlers with a database and without one', async () => {
  const database = await createEmptyDatabase()
  const code = `
    import asyncTasks, { task } from 'fastify-async-tasks'
    import { drainTasks, expectTask, runTask } from 'fastify-async-tasks/testing'
    import Fastify from 'fastify'
    const double = task('double')(({ value }) => value * 2)
    console.log((await runTask(double, { value: 4 })).result)
    const app = Fastify()
    const { DATABASE_URL: connectionString } = process.env
    await app.register(asyncTasks, { connectionString, tasks: [double], routes: false, executor: false })
    await app.tasks.createTask(double, { value: 21 })
    await drainTasks(app)
    console.log((await expectTask(app, double)).result)
    await app.close()`
  writeFileSync(path.join(host, 'testing.js'), code)
  const env = { PATH: process.env.PATH, DATABASE_URL: database.url }
  const { stdout } = await run(process.execPath, ['testing.js'], { cwd: host, env })
  expect(stdout).toBe('8\n42\n')
})

test('the admin page comes with it, built for production', async () => {
  const database = await createEmptyDatabase()
  const code = `
    import Fastify from 'fastify'
    import asyncTasks from 'fastify-async-tasks'
    const app = Fastify()
    const connectionString = process.env.DATABASE_URL
    await app.register(asyncTasks, { connectionString, tasks: [], authorize: false, dashboard: { prefix: '/ops' } })
    const { body } = await app.inject('/ops/')
    const script = await app.inject('/ops/' + body.match(/assets\\/[\\w-]+\\.js/)[0])
    console.log(script.statusCode, script.body.length)
    await app.close()`
  writeFileSync(path.join(host, 'page.js'), code)
  const env = { PATH: process.env.PATH, DATABASE_URL: database.url }
  const { stdout } = await run(process.execPath, ['page.js'], { cwd: host, env })
  const [status, size] = stdout.trim().split(' ').map(Number)
  expect(status).toBe(200)
  // React for development would make it three times as large.
  expect(size).toBeLessThan(500_000)
})

test('its command applies migrations, and shows what there is', async () => {
  const database = await createEmptyDatabase()
  const env = { ...process.env, DATABASE_URL: database.directUrl }
  const migrate = () => run('npx', ['fastify-async-tasks', 'migrate', '--schema', 'jobs'], { cwd: host, env })
  expect((await migrate()).stdout).toMatch(/^jobs: applied 0000_engine, /)
  expect((await migrate()).stdout).toBe('jobs: up to date\n')
  const status = await run('npx', ['fastify-async-tasks', 'status', '--schema', 'jobs', '--json'], {
    cwd: host,
    env,
  })
  expect(JSON.parse(status.stdout)).toMatchObject({ executors: [], paused: [], stats: { byType: [] } })
  const { rows } = await database.pool.query('select count(*)::int as tasks from jobs.async_tasks')
  expect(rows).toEqual([{ tasks: 0 }])
})

test('the tables are a module of their own', async () => {
  const code = `
    import * as schema from 'fastify-async-tasks/schema'
    import { getTableName } from 'drizzle-orm'
    console.log(Object.values(schema).map(getTableName).join())`
  const names = (await evaluate(code)).trim().split(',')
  expect(names).toEqual(expect.arrayContaining(['async_tasks', 'async_task_params', 'async_task_logs']))
})

test("the README's examples agree with the package's types, which are sound in themselves", async () => {
  writeFileSync(path.join(host, 'app.ts'), embedding())
  writeFileSync(path.join(host, 'handler.ts'), handler())
  writeFileSync(path.join(host, 'misuse.ts'), MISUSE)
  writeFileSync(path.join(host, 'watch.ts'), example('js', 'client.watch', liveGuide))
  writeFileSync(path.join(host, 'live.tsx'), example('tsx', 'useTaskStatus', liveGuide))
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
  options.push('--jsx', 'react-jsx')
  const files = ['app.ts', 'handler.ts', 'misuse.ts', 'watch.ts', 'live.tsx']
  // With the libraries checked, and `exactOptionalPropertyTypes`, which a host may have on or off.
  for (const more of [[], ['--exactOptionalPropertyTypes']]) {
    const check = run(process.execPath, [tsc, ...options, ...more, ...files], { cwd: host })
    const { stdout } = await check.catch((error: { stdout: string }) => error)
    expect(stdout).toBe('')
  }
})

describe.each([
  ['0.45', undefined],
  ['1.0', '1.0.0-rc.5'],
])('with drizzle-orm %s', (version, exact) => {
  let at = host
  beforeAll(async () => {
    if (exact !== undefined) at = await installed.installWith({ 'drizzle-orm': exact })
    const { version: found } = JSON.parse(
      readFileSync(path.join(at, 'node_modules/drizzle-orm/package.json'), 'utf8'),
    )
    expect(found.startsWith(version)).toBe(true)
    writeFileSync(path.join(at, 'drizzle-app.ts'), DRIZZLE_APP)
  })

  test('the tables have types for queries, which are sound in themselves and emit nothing', async () => {
    const options = ['--module', 'nodenext', '--target', 'es2024', '--types', 'node', '--outDir', 'out']
    const check = run(process.execPath, [tsc, ...options, ...STRICTEST, 'drizzle-app.ts'], { cwd: at })
    const { stdout } = await check.catch((error: { stdout: string }) => error)
    // Drizzle's own types are not: they name packages that a host need not have.
    const others = stdout.split('\n').filter((line) => !/^(node_modules\/drizzle-orm\/| {2})|^$/.test(line))
    expect(others).toEqual([])
    expect(readdirSync(path.join(at, 'out'), { recursive: true })).toEqual(['drizzle-app.js'])
  })

  test('tasks are created, guarded and completed in its transactions', async () => {
    const database = await createEmptyDatabase()
    const env = { PATH: process.env.PATH, DATABASE_URL: database.url }
    const { stdout } = await run(process.execPath, ['drizzle-app.ts'], { cwd: at, env })
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { rolledBack: 0 },
      { order: [{ id: 2, paid: 1, state: 'confirmed' }] },
      { tasks: [{ type: 'confirm', status: 'completed', key: 'order', value: '2', types: ['confirm'] }] },
    ])
  })
})

const MISUSE = `
import { task, type TaskManager, typedTasks } from 'fastify-async-tasks'
import { drainTasks, runTask } from 'fastify-async-tasks/testing'
import { createTasksClient } from 'fastify-async-tasks/client'
import { registerMetrics } from 'fastify-async-tasks/metrics'
import Fastify from 'fastify'
import { z } from 'zod'
declare const tasks: TaskManager
const greet = task('greet', { params: z.object({ name: z.string() }) })(({ name }) => name)
await tasks.createTask(greet, { name: 'Ada' })
// @ts-expect-error the params of a handler are checked
await tasks.createTask(greet, { name: 7 })
// @ts-expect-error and so are missing ones
await tasks.createTask(greet, {})
// @ts-expect-error and the names of a closed set
await typedTasks(tasks, [greet]).createTask('great', { name: 'Ada' })
const { result } = await runTask(greet, { name: 'Ada' })
result satisfies string | null | undefined
await drainTasks(tasks)
// @ts-expect-error a registry has methods
registerMetrics(Fastify(), {})
const client = createTasksClient({ baseUrl: '/api/admin' })
// @ts-expect-error no other status exists
await client.listTasks({ status: ['done'] })
const ended: Date | null = (await client.getTask('task_1')).completedAt
`
