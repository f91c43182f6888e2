import { cpSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { TestDatabase } from '../support/database.ts'
import { createEmptyDatabase, host, root, run, useInstalledPackage } from './installed-package.ts'

/**
 * Apps that somebody else writes with the package: TypeScript in `projects/`, which asserts by itself. Here they are
 * compiled against the installed package, and run by Node as they are.
 */
const sources = path.join(import.meta.dirname, 'projects')
const app = path.join(host, 'app')

useInstalledPackage([
  ...[
    '@fastify/jwt',
    '@opentelemetry/api',
    '@opentelemetry/context-async-hooks',
    '@opentelemetry/sdk-trace',
    'prom-client',
  ],
  ...['@standard-schema/spec', '@valibot/to-json-schema', 'typebox', 'valibot'],
])

let compiled: string[]
beforeAll(async () => {
  cpSync(sources, app, { recursive: true })
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  const compile = run(process.execPath, [tsc, '-p', '.'], { cwd: app })
  const { stdout } = await compile.catch((error: { stdout: string }) => error)
  compiled = stdout.split('\n').filter((line) => line !== '')
})

/** Returns what the project shows. It fails with what the project could not assert. */
async function runProject(file: string, { directUrl }: TestDatabase): Promise<string[]> {
  const env = { PATH: process.env.PATH, DATABASE_URL: directUrl }
  const { stdout } = await run(process.execPath, [file], { cwd: app, env, timeout: 110_000 })
  return stdout.trimEnd().split('\n')
}

test('all of it compiles, and what must not compile does not', () => {
  expect(compiled).toEqual([])
})

// Each row: a project, and what it shows.
test.each<[string, string[]]>([
  [
    'alerts.ts',
    [
      'on() tells of each event after its commit, and a listener that throws changes nothing',
      'onFailed runs one alert, with the params of the task that failed for good',
      'a task that an operator retries and that fails again gets another one',
    ],
  ],
  [
    'customers.ts',
    [
      "a customer's progress bar follows their own import, whose result is typed",
      'an owner sees and cancels its own tasks, and those of others do not exist for it',
      'a viewer reads everything and changes nothing',
      'an admin creates tasks with a client that knows the handlers; createdBy filters the list',
      'app.tasks.watch follows a task in the process itself',
    ],
  ],
  [
    'rest.ts',
    [
      'PATCH changes a pending task, or nothing of it',
      'run-now starts a delayed task with what it was changed to',
      'a task that has not started by expiresAt ends cancelled, as expired',
      "onDuplicate 'replace' runs the newest params, once",
    ],
  ],
  [
    'telemetry.ts',
    [
      "registerMetrics adds the metrics to the host's registry of prom-client",
      'diagnostics_channel tells of each attempt, with typed messages',
      "trace continues the request's trace in the attempt, whose handler runs in its span",
    ],
  ],
  [
    'refusals.ts',
    [
      'misspelt and impossible options of the plugin are refused by name',
      'so are those of task(), and a second handler for a type',
      'unknown types, params, options and events are refused, and nothing is created',
    ],
  ],
  [
    'schemas.ts',
    [
      'params of valibot and TypeBox are inferred, checked, and filled with defaults',
      'GET /task-types has their JSON Schema',
      'types: params, results in their JSON form, and the names of a fixed list',
    ],
  ],
  [
    'steps.ts',
    [
      'a sleep of days is pending, with its progress, and leaves the only slot to others',
      'steps ran once over four attempts, one of them with the rows of its transaction',
      'a retry goes back to a step',
      "onDuplicate: 'replace' puts off one task, with the newest params",
    ],
  ],
  ['threads.ts', ['a handler in TypeScript ran in a thread, from its source']],
  ['dist/threads.js', ['a handler in TypeScript ran in a thread, from dist']],
])('%s', async (file, shown) => {
  expect(await runProject(file, await createEmptyDatabase())).toEqual(shown)
})

test('shop.ts, beside tables of its own that drizzle-kit pushes', async () => {
  const database = await createEmptyDatabase()
  const config = { dialect: 'postgresql', schema: './tables.ts', dbCredentials: { url: database.directUrl } }
  writeFileSync(path.join(app, 'drizzle.json'), JSON.stringify(config))
  const kit = path.join(root, 'node_modules/drizzle-kit/bin.cjs')
  const push = () => run(process.execPath, [kit, 'push', '--force', '--config', 'drizzle.json'], { cwd: app })
  expect((await push()).stdout).toContain('Changes applied')
  expect(await runProject('shop.ts', database)).toEqual([
    "a task commits with the host's order, and is rolled back with it",
    'asyncTasksIn joins the tasks of a schema of its own with the orders',
    'two runners in one app see nothing of each other',
    "public has the host's tables alone, and the pool is the host's to end",
  ])
  expect((await push()).stdout).toContain('No changes detected')
})

test('upgrade.ts, after the migrations of the command', async () => {
  const database = await createEmptyDatabase()
  const env = { PATH: process.env.PATH, DATABASE_URL: database.directUrl }
  const { stdout } = await run('npx', ['fastify-async-tasks', 'migrate', '--schema', 'jobs'], {
    cwd: app,
    env,
  })
  expect(stdout).toMatch(/^jobs: applied 0000_engine, /)
  expect(await runProject('upgrade.ts', database)).toEqual([
    "the command's migrations are all that migrate: 'verify' asks for",
    'a schema of a later version that works beside this one is used, and said once',
    'beyond its bound the start is refused',
  ])
})
