import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { ADMIN, type BundledServer, logIn, startBundledServer } from '../http/bundled-server.ts'
import { blocksOf } from '../support/docs.ts'

/** Every command of `curl` in docs runs as it is written, on the bundled server. */
const PAGES = ['audit', 'live', 'operations', 'schedules', 'server']

/** A call that is refused ends the block, and shows the answer. */
const CURL = `curl() { command curl --fail-with-body --silent --show-error --max-time 60 "$@"; echo; }\n`

let server: BundledServer
let env: NodeJS.ProcessEnv
let folder: string
let origin: string

beforeAll(async () => {
  server = await startBundledServer()
  origin = await server.app.listen({ host: '127.0.0.1', port: 0 })
  folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-commands-'))
  const { taskId } = await server.app.tasks.createTask('init_stocks')
  env = {
    PATH: process.env.PATH,
    TOKEN: await logIn(server.app, ADMIN),
    TASK_ID: taskId,
    API: `${origin}/api/admin`,
  }
  await sh(`curl -c session.txt $API/auth/login --json '${JSON.stringify(ADMIN)}'`)
  return async () => {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

async function sh(command: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-ec', CURL + command], { cwd: folder, env })
  return stdout
}

const blocks = PAGES.flatMap((page) => {
  const commands = blocksOf(`docs/${page}.md`).filter(
    ({ language, text }) => language === 'sh' && /curl/.test(text),
  )
  return commands.map(({ text }) => ({ page, text }))
})

test.each(blocks)('the calls of $page.md answer: $text', async ({ text }) => {
  const here = text
    .replace(/(http:\/\/)?(localhost|127\.0\.0\.1):3000/g, origin)
    .replace('"…"', JSON.stringify(ADMIN.password))
  const printed = await sh(here)
  // What the page says that it answers.
  const [, answer] = /^# (.*)$/m.exec(text) ?? []
  if (answer !== undefined) expect(printed.trim()).toBe(answer)
  else expect(printed).not.toBe('')
})

test('after them there are the tasks that the pages create, and the schedules that they leave', async () => {
  const { tasks } = await server.app.tasks.listTasks()
  const types = tasks.map(({ taskType }) => taskType)
  for (const type of ['init_stocks', 'init_sectors', 'backfill_by_date', 'backfill_by_range']) {
    expect(types).toContain(type)
  }
  const schedules = await server.app.tasks.listSchedules()
  expect(schedules.map(({ name, enabled }) => [name, enabled])).toEqual([['backfill_of_the_day', true]])
})
