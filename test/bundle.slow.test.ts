import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { build, type Format } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { ENGINE_MIGRATIONS } from '../src/db/engine-migrations.ts'
import { version } from '../src/version.ts'
import { createTestDatabase } from './support/database.ts'

const root = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')

/** An app as a host writes it; it says what it sees, a JSON line each. */
const APP = `
  import Fastify from 'fastify'
  import asyncTasks, { createTaskRegistry } from './src/index.ts'
  const { task } = createTaskRegistry()
  const hello = task('hello')(() => 'world')
  const burn = task('burn', { run: 'thread', module: new URL('file:///burn.js'), maxRetries: 0 })()
  const say = (what) => console.log(JSON.stringify(what))
  const stream = { write: (line) => say({ log: JSON.parse(line).msg }) }
  async function main() {
    const app = Fastify({ logger: { level: 'error', stream } })
    await app.register(asyncTasks, {
      connectionString: process.argv[2], tasks: [hello, burn], authorize: false, dashboard: true,
    })
    await app.ready()
    const run = async (task) => app.tasks.waitFor((await app.tasks.createTask(task)).taskId)
    say({ hello: (await run(hello)).result })
    say({ page: (await app.inject('/admin/')).statusCode })
    say({ thread: (await run(burn)).error })
    await app.close()
    say('closed')
  }
  void main()`

// esbuild keeps require() for Node's own modules, which a module of ES has to be given.
const BANNER = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

test.each<[Format, string]>([
  ['esm', 'bundle.mjs'],
  ['cjs', 'bundle.cjs'],
])('an app in one file (%s) migrates, runs tasks and says what it lacks', async (format, name) => {
  const database = await createTestDatabase('empty')
  onTestFinished(() => database.drop())
  const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-bundle-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const outfile = path.join(folder, name)
  await build({
    stdin: { contents: APP, resolveDir: root, loader: 'js' },
    bundle: true,
    platform: 'node',
    format,
    outfile,
    logLevel: 'silent',
    external: ['pg-native'],
    ...(format === 'esm' ? { banner: { js: BANNER } } : {}),
  })
  const app = spawn(process.execPath, [outfile, database.directUrl], { cwd: folder })
  onTestFinished(() => void app.kill('SIGKILL'))
  const [said, errors] = await Promise.all([readLines(app), readErrors(app), once(app, 'exit')])
  expect(errors).toBe('')
  expect(said).toEqual([
    { log: expect.stringMatching(/the admin page is not in .*leave fastify-async-tasks out of your bundle/) },
    { hello: 'world' },
    { page: 503 },
    { log: 'task failed' },
    { thread: expect.stringMatching(/the module that runs threads is not .*docs\/operations\.md/) },
    'closed',
  ])
})

async function readLines(app: ChildProcess): Promise<unknown[]> {
  const lines: unknown[] = []
  if (app.stdout)
    for await (const line of createInterface({ input: app.stdout })) lines.push(JSON.parse(line))
  return lines
}

async function readErrors(app: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of app.stderr ?? []) text += chunk
  return text
}

test('what is embedded is what the files say; `npm run db:generate` embeds migrations', () => {
  expect(version).toBe(JSON.parse(read('package.json')).version)
  const { entries } = JSON.parse(read('migrations/tasks/meta/_journal.json')) as {
    entries: { tag: string; when: number }[]
  }
  const files = entries.map(({ tag, when }) => ({
    name: tag,
    when,
    text: read(`migrations/tasks/${tag}.sql`),
  }))
  expect(ENGINE_MIGRATIONS).toEqual(files)
})
