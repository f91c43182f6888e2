import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { blocksOf } from '../support/docs.ts'
import { host, root, run, useInstalledPackage } from './installed-package.ts'

/** An app as a host writes it, in TypeScript; it says what it sees, a JSON line each. */
const APP = `
  import path from 'node:path'
  import { pathToFileURL } from 'node:url'
  import asyncTasks, { createTaskRegistry } from 'fastify-async-tasks'
  import Fastify from 'fastify'
  const { task } = createTaskRegistry()
  const hello = task('hello')(() => 'world')
  // A bundle of CommonJS has no import.meta.url.
  const here = import.meta.url ?? pathToFileURL(__filename)
  const double = task('double', { run: 'thread', module: new URL('./resize.ts', here), maxRetries: 0 })<number>()
  const say = (what: unknown) => console.log(JSON.stringify(what))
  const stream = { write: (line: string) => say({ log: JSON.parse(line).msg }) }
  async function main() {
    const app = Fastify({ logger: { level: 'error', stream } })
    await app.register(asyncTasks, {
      connectionString: process.argv[2], tasks: [hello, double], authorize: false, dashboard: true,
    })
    await app.ready()
    const created = await app.tasks.createTask(hello)
    say({ hello: (await app.tasks.waitFor(created.taskId)).result })
    const { statusCode, body } = await app.inject('/admin/')
    say({ page: statusCode })
    const url = '/admin/' + /assets\\/[\\w-]+\\.js/.exec(body)
    for (const encoding of ['br', 'identity']) {
      const { statusCode, headers, rawPayload } = await app.inject({ url, headers: { 'accept-encoding': encoding } })
      say({ script: statusCode, type: headers['content-type'], encoding: headers['content-encoding'] })
      if (encoding === 'identity') say({ size: rawPayload.length })
    }
    const thread = await app.tasks.createTask(double, { value: 21, url: process.argv[2] })
    const { result, error } = await app.tasks.waitFor(thread.taskId)
    say({ result, error })
    await app.close()
    say('closed')
  }
  void main()`

/** Bundled by itself, as a thread loads it. It uses what needs the database in the thread. */
const DOUBLE = `
  import type { TaskContext } from 'fastify-async-tasks'
  import pg from 'pg'
  export default async ({ value, url }: { value: number; url: string }, ctx: TaskContext) => {
    const client = new pg.Client(url)
    await client.connect()
    await client.query('begin')
    await ctx.guard(client)
    await client.query('commit')
    await client.end()
    return value * 2
  }`

/** The command of docs/operations.md, which makes modules of ES. */
const command = blocksOf('docs/operations.md').find(({ text }) => text.startsWith('esbuild '))?.text ?? ''

async function bundleAsTheGuideSays(folder: string): Promise<void> {
  const PATH = `${path.join(root, 'node_modules/.bin')}:${process.env.PATH}`
  await run('sh', ['-ec', command], { cwd: host, env: { ...process.env, PATH } })
  cpSync(path.join(host, 'dist'), folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}')
}

async function bundleAsCommonJs(folder: string): Promise<void> {
  await build({
    entryPoints: ['app.ts', 'resize.ts'].map((name) => path.join(host, name)),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outdir: folder,
    logLevel: 'silent',
    external: ['pg-native'],
  })
}

useInstalledPackage()

test.each([
  ['ES modules, as the guide says', bundleAsTheGuideSays],
  ['CommonJS', bundleAsCommonJs],
])(
  'an app in one file (%s) migrates, shows its page, and runs tasks, in threads too',
  async (_format, bundle) => {
    const database = await createTestDatabase('empty')
    onTestFinished(() => database.drop())
    // Elsewhere: nothing may come from the host's node_modules.
    const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-bundle-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(path.join(host, 'app.ts'), APP)
    writeFileSync(path.join(host, 'resize.ts'), DOUBLE)
    await bundle(folder)
    const file = path.join(folder, 'app.js')
    const app = spawn(process.execPath, [file, database.directUrl], { cwd: folder })
    onTestFinished(() => void app.kill('SIGKILL'))
    const [said, errors] = await Promise.all([readLines(app), readErrors(app), once(app, 'exit')])
    expect(errors).toBe('')
    expect(said).toEqual([
      { hello: 'world' },
      { page: 200 },
      { script: 200, type: 'text/javascript; charset=utf-8', encoding: 'br' },
      { script: 200, type: 'text/javascript; charset=utf-8' },
      { size: expect.toSatisfy((size) => size > 100_000) },
      { result: 42, error: null },
      'closed',
    ])
  },
)

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
