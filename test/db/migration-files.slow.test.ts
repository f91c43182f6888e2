import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

test.each([
  { history: 'tasks', schema: ['src/engine/store/schema.ts'] },
  { history: 'server', schema: ['src/accounts/schema.ts', 'src/market/schema.ts'] },
])('the migrations of $history describe the tables as the code does', async ({ history, schema }) => {
  const root = path.resolve(import.meta.dirname, '../..')
  const folder = mkdtempSync(path.join(tmpdir(), 'migrations-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  cpSync(path.join(root, 'migrations', history), path.join(folder, 'out'), { recursive: true })
  const config = path.join(folder, 'config.json')
  const schemaFiles = schema.map((file) => path.join(root, file))
  // drizzle-kit takes `out` as relative to where it runs.
  const out = path.relative(root, path.join(folder, 'out'))
  writeFileSync(config, JSON.stringify({ dialect: 'postgresql', schema: schemaFiles, out }))

  const before = readdirSync(path.join(folder, 'out'))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [path.join(root, 'node_modules/drizzle-kit/bin.cjs'), 'generate', '--config', config],
    { cwd: root },
  )
  expect(stdout).toContain('No schema changes')
  expect(readdirSync(path.join(folder, 'out'))).toEqual(before)
})
