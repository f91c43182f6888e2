import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import type { ScheduleView } from '../../src/contract/schedule.ts'
import { graceOf, LATE_MS, MAX_CATCH_UP } from '../../src/engine/schedules/ticks.ts'
import { startBundledServer } from '../http/bundled-server.ts'
import { createTestDatabase } from '../support/database.ts'

const root = path.resolve(import.meta.dirname, '../..')
const guide = readFileSync(path.join(root, 'docs/schedules.md'), 'utf8')
const blocks = (language: string) =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code = '']) => code)

test('the example in code runs as it stands', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const report = `
    console.log(JSON.stringify({ all, nextRunAt, left: await app.tasks.listSchedules(), task: await app.tasks.getTask(taskId) }))
    await app.close()`
  const code = [...blocks('ts'), report]
    .join('\n')
    .replace(`from 'fastify-async-tasks'`, `from './src/index.ts'`)
  const env = { PATH: process.env.PATH, DATABASE_URL: database.url }
  const args = ['--input-type=module-typescript', '-e', code]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env })
  const { all, nextRunAt, left, task } = JSON.parse(stdout) as {
    all: ScheduleView[]
    nextRunAt: string
    left: ScheduleView[]
    task: { params: { day: string } }
  }
  expect(all).toMatchObject([
    {
      name: 'digest',
      cron: '30 7 * * 1-5',
      timeZone: 'Europe/Berlin',
      taskType: 'send_digest',
      params: { list: 'subscribers' },
      missed: 'once',
      enabled: true,
      declared: true,
      nextRunAt: expect.stringMatching(/T0[56]:30:00/),
    },
    { name: 'weekly-digest', declared: false, enabled: false, nextRunAt: null, lastTaskId: null },
  ])
  expect(nextRunAt).toMatch(/T01:00:00/)
  expect(new Date(nextRunAt).getUTCDay()).toBe(5)
  expect(left.map(({ name }) => name)).toEqual(['digest'])
  expect(task).toMatchObject({ status: 'completed', params: { list: 'weekly' } })
  expect(task.params.day).toMatch(/^\d{4}-\d\d-\d\d$/)
})

test('the calls over REST work one after the other', async () => {
  const server = await startBundledServer()
  onTestFinished(() => server.close())
  const calls = blocks('sh')
    .join('')
    .split('\n')
    .filter((line) => line.startsWith('curl'))
  const answers: number[] = []
  for (const call of calls) {
    const [, url = ''] = /\$API(\S+)/.exec(call) ?? []
    const [, json] = /--json '(.*)'$/.exec(call) ?? []
    const [, method = json === undefined ? 'GET' : 'POST'] = /-X (\w+)/.exec(call) ?? []
    const answer = await server.asAdmin({
      method: method as 'GET',
      url: `/api/admin${url}`,
      ...(json === undefined ? {} : { payload: JSON.parse(json) as object }),
    })
    answers.push(answer.statusCode)
  }
  expect(answers).toEqual([200, 200, 201, 201, 200, 200, 204])
})

test('its figures are those of the code', () => {
  expect(guide).toContain(`at most the newest ${MAX_CATCH_UP.toLocaleString('en')}`)
  expect(guide).toContain(`no older than ${LATE_MS / 1_000} s`)
  expect(guide).toContain(`two poll intervals, or ${graceOf(0) / 1_000} s if that is longer`)
})
