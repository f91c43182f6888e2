import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import {
  createEmptyDatabase,
  example,
  host,
  root,
  startApp,
  useInstalledPackage,
} from './installed-package.ts'

// The killed process has a lease of 30 s.
vi.setConfig({ testTimeout: 240_000 })
useInstalledPackage()

const guide = readFileSync(path.join(root, 'docs/long-tasks.md'), 'utf8')
const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' }
const MONTHS = 12
const KILLED_AFTER = 3

interface Detail {
  status: string
  attempts: { outcome: string | null }[]
  steps: { name: string; attempt: number }[]
}

async function start(databaseUrl: string) {
  const app = await startApp('load.js', { DATABASE_URL: databaseUrl })
  return { ...app, api: `${app.address}/api/admin/tasks` }
}

test('the load of the guide is killed, and resumes in the other process after the month that was under way', async () => {
  const database = await createEmptyDatabase()
  // Shorter months; the lease stays.
  writeFileSync(path.join(host, 'load.js'), example('js', 'load_year', guide).replace('5_000', '3_000'))
  const first = await start(database.directUrl)
  const body = JSON.stringify({ taskType: 'load_year' })
  const created = await fetch(first.api, { method: 'POST', headers, body })
  const { taskId } = (await created.json()) as { taskId: string }
  const second = await start(database.directUrl)
  const read = async () => (await (await fetch(`${second.api}/${taskId}`, { headers })).json()) as Detail
  const count = async () => (await read()).steps.length
  await expect.poll(count, { interval: 100 }).toBeGreaterThanOrEqual(KILLED_AFTER)
  first.process.kill('SIGKILL')
  await first.ended
  const finished = await count()
  expect(finished).toBeLessThan(MONTHS)
  await expect.poll(async () => (await read()).status, { interval: 500 }).toBe('completed')
  const { attempts, steps } = await read()
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'completed'])
  expect(steps).toMatchObject(
    Array.from({ length: MONTHS }, (_, i) => ({
      name: `load month ${i + 1}`,
      attempt: i < finished ? 1 : 2,
    })),
  )
})
