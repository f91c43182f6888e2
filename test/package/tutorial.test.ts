import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { listeningAddress, root } from './installed-package.ts'

// It installs packages, and starts eight processes one after the other.
vi.setConfig({ testTimeout: 400_000 })

const tarball = inject('packed')?.tarball ?? ''
const tutorial = readFileSync(path.join(root, 'docs/tutorial.md'), 'utf8')
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

/** The steps in their order: commands to run, and files to write. */
const steps = [...tutorial.matchAll(/(?:^`([\w.]+)`:\n\n)?^```(\w+)\n(.*?)^```$/gms)].map(
  ([, file, language = '', text = '']) => ({ file, language, text }),
)

test('the tutorial leads from an empty folder to an app that runs, is tested and can be deployed', async () => {
  const database = await createTestDatabase('empty')
  onTestFinished(() => database.drop())
  // The server of the tests is faster without, and doctor would say so.
  await database.pool.query(`do $$ begin
    execute format('alter database %I set synchronous_commit = on', current_database());
  end $$`)
  const parent = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-tutorial-'))
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }))
  const cwd = path.join(parent, 'shop')
  const env = {
    ...process.env,
    DATABASE_URL: database.directUrl,
    PORT: '0',
    npm_config_prefer_offline: 'true',
  }
  const sh = async (command: string, folder = cwd) =>
    (await promisify(execFile)('sh', ['-ec', command], { cwd: folder, env })).stdout

  let server: ChildProcess | undefined
  let address = ''
  const printed: string[] = []
  for (const { file, language, text } of steps) {
    if (file !== undefined) {
      writeFileSync(path.join(cwd, file), text)
      continue
    }
    expect(language).toBe('sh')
    if (text.startsWith('mkdir')) {
      // The versions that are developed with: the newest ones are none of this test's business.
      const { 'drizzle-orm': drizzle } = manifest.devDependencies
      const local = text
        .replace('fastify-async-tasks', tarball)
        .replace('drizzle-orm', `drizzle-orm@${drizzle}`)
        .replace(/^export DATABASE_URL.*$/m, '')
      await sh(local, parent)
    } else if (text.includes('node server.js')) {
      server = spawn('sh', ['-c', text.replace('node', 'exec node')], {
        cwd,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      onTestFinished(() => void server?.kill('SIGKILL'))
      address = await listeningAddress(server)
    } else {
      printed.push(await sh(text.replaceAll('localhost:3000', address)))
    }
  }

  const [ordered = '', tested = '', migrated, state = ''] = printed
  const [order, list] = ordered.split(/(?<=\})(?=\{)/).map((text) => JSON.parse(text))
  expect(order).toMatchObject({ orderId: 1, taskId: expect.stringMatching(/^task_/) })
  expect(list.tasks).toMatchObject([{ taskId: order.taskId, taskType: 'confirm_order' }])
  expect(tested).toMatch(/pass 2\b/)
  expect(migrated).toBe('jobs: up to date\n')
  expect(state).toContain(order.taskId)
  // Addresses are hidden from operators.
  const headers = { authorization: 'Bearer secret' }
  const logs = await (await fetch(`${address}/api/admin/tasks/${order.taskId}/logs`, { headers })).text()
  expect(logs).toContain('mailed [redacted]')
  expect(logs).not.toContain('ada@example.com')
  const ended = once(server as ChildProcess, 'exit')
  server?.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})

test('the image of the tutorial holds the files that it writes', () => {
  const dockerfile = steps.find(({ file }) => file === 'Dockerfile')?.text ?? ''
  const [, copied = ''] = /^COPY (.*\.js) \.\/$/m.exec(dockerfile) ?? []
  const written = steps.flatMap(({ file = '' }) => (/^(?!.*\.test).*\.js$/.test(file) ? file : []))
  expect(copied.split(' ').sort()).toEqual(written.sort())
})
