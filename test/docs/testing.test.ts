import Fastify from 'fastify'
import type pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import asyncTasks, { createTaskRegistry, PermanentError } from '../../src/index.ts'
import { advanceTime, drainTasks, expectTask, findCreated, runTask } from '../../src/testing/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const { task } = createTaskRegistry()

const countWords = task('count_words', { params: z.object({ text: z.string() }) })(({ text }, ctx) => {
  ctx.signal.throwIfAborted()
  if (text === '') throw new PermanentError('there is nothing to count')
  const words = text.split(' ')
  for (const index of words.keys()) ctx.progress(index + 1, words.length)
  ctx.log.info('counted', { words: words.length })
  return { words: words.length }
})

const sendReport = task('send_report', { params: z.object({ userId: z.int() }) })(async ({ userId }, ctx) => {
  await ctx.createTask(countWords, { text: `report of ${userId}` })
})

let database: TestDatabase
let pool: pg.Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = database.pool
})
afterAll(() => database.drop())

test('every example of the page is code of this file', () => {
  expect(examplesNotRunBy(import.meta.url, 'testing.md')).toEqual([])
})

test('one handler', async () => {
  const run = await runTask(countWords, { text: 'to be or not to be' })
  expect(run.result).toEqual({ words: 6 })
  expect(run.logs).toEqual([{ level: 'INFO', message: 'counted', data: { words: 6 } }])
  expect(run.progress.at(-1)).toEqual({ current: 6, total: 6, step: undefined })

  const { error } = await runTask(countWords, { text: '' })
  expect(error).toBeInstanceOf(PermanentError)
  await expect(runTask(countWords, { text: 7 as never })).rejects.toMatchObject({ code: 'INVALID_PARAMS' })

  const stopped = await runTask(countWords, { text: 'to be' }, { signal: AbortSignal.abort() })
  expect(stopped.error).toMatchObject({ name: 'AbortError' })
})

test('an app and its database', async () => {
  const app = Fastify()
  await app.register(asyncTasks, { pool, tasks: [countWords, sendReport], routes: false, executor: false })
  onTestFinished(() => app.close())

  await app.tasks.createTask(sendReport, { userId: 7 })
  await drainTasks(app)

  const report = await expectTask(app, sendReport, { userId: 7 })
  expect(report.status).toBe('completed')
  expect(await findCreated(app, countWords)).toHaveLength(1)

  await app.tasks.createTask(sendReport, { userId: 8 }, { delayMs: 3_600_000 })
  expect(await drainTasks(app)).toEqual([])
  await advanceTime(app, 3_600_000)
  expect(await drainTasks(app)).toMatchObject([{ outcome: 'completed' }, { outcome: 'completed' }])
})
