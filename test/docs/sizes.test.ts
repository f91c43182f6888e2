import { readFileSync } from 'node:fs'
import Fastify, { type FastifyInstance } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../src/engine/manager/manager.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const sendReport = createTaskRegistry().task('send_report')(() => 'sent')

test('the example of docs/sizes.md routes tasks to servers by a key', async () => {
  expect(examplesNotRunBy(import.meta.url, 'sizes.md')).toEqual([])
  const app = Fastify({ pluginTimeout: 0 }) as unknown as FastifyInstance & { tasks2: TaskManager }
  onTestFinished(() => app.close())
  for (const decorator of ['tasks', 'tasks2']) {
    const database = await createTestDatabase('empty')
    onTestFinished(() => database.drop())
    const options = { connectionString: database.directUrl, decorator, executor: false, routes: false }
    await app.register(asyncTasks, { ...options, tasks: [sendReport] })
  }
  await app.ready()

  const shards = [app.tasks, app.tasks2]
  const shardOf = (customerId: number) => shards[customerId % shards.length] ?? app.tasks

  await shardOf(7).createTask(sendReport, { userId: 7 }, { uniqueKey: 'report 7' })
  expect((await app.tasks.listTasks()).tasks).toEqual([])
  expect((await app.tasks2.listTasks()).tasks).toMatchObject([{ taskType: 'send_report' }])
})

test('its figures are those of the benchmark', () => {
  const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
  const [sizes, benchmark] = [read('sizes.md'), read('benchmark.md')]
  for (const figure of ['11,600/s', '15,900/s', '13,400/s', '0.95 of', '1.38 statements']) {
    expect(sizes).toContain(figure)
    expect(benchmark).toContain(figure)
  }
})
