import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { type Diagnosis, ILLNESSES } from '../../../src/cli/doctor/illness.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createEngine } from '../../support/engine.ts'
import { commandOn } from '../run-command.ts'
import { codesOf, HEALTHY, useExamined } from './examined.ts'

const examined = useExamined()

/** Tasks of every kind: quick, with steps, asleep, and one that fails twice before it completes. */
function createTasks() {
  const { task } = createTaskRegistry()
  const count = task('count')((_params, ctx) => ctx.progress(1, 1))
  const steps = task('steps')(async (_params, ctx) => {
    for (const name of ['load', 'save']) await ctx.step(name, () => name)
    await ctx.sleep('a moment', 100)
  })
  const flaky = task('flaky', { maxRetries: 2, retryBaseMs: 50 })((_params, ctx) => {
    if (ctx.attempt < 3) throw new Error('not yet')
  })
  return [count, steps, flaky]
}

const ROUNDS = 10

async function startLoaded() {
  const loaded = await examined.server.createDatabase()
  const tasks = createTasks()
  const engines = [1, 2].map(() => createEngine(loaded, tasks, { concurrency: 8 }, { hears: true }))
  for (const { executor } of engines) executor.start()
  onTestFinished(async () => {
    await Promise.all(engines.map(({ executor }) => executor.stop()))
    await loaded.drop()
  })
  const [{ manager }] = engines as [(typeof engines)[0]]
  return { loaded, tasks, manager }
}

test('a healthy system under load has nothing', async () => {
  const { loaded, tasks, manager } = await startLoaded()
  let isLoading = true
  let created = 0
  const load = async () => {
    while (isLoading) {
      const batch = Array.from({ length: 300 }, (_, n) => ({
        task: tasks[n % 20 < 2 ? (n % 2) + 1 : 0] ?? '',
      }))
      const last = (await manager.createTasks(batch)).at(-1)
      created += batch.length
      await manager.waitFor(last?.taskId ?? '')
    }
  }
  const loading = load()
  const found: Diagnosis[] = []
  const isEnough = () => found.length >= ROUNDS && created > ROUNDS * 100
  while (!isEnough()) found.push(await examined.examine(loaded))
  isLoading = false
  await loading
  expect(found).toEqual(found.map(() => ({ ...HEALTHY, notChecked: [] })))
  const unfinished = `select count(*)::int as tasks from async_tasks where status <> 'completed'`
  await expect.poll(async () => (await loaded.pool.query(unfinished)).rows).toEqual([{ tasks: 0 }])
})

test('a transaction that is held there is found, and told to people', async () => {
  const { loaded, tasks, manager } = await startLoaded()
  const holder = new pg.Client({ connectionString: loaded.directUrl, application_name: 'a forgotten shell' })
  await holder.connect()
  await holder.query('begin')
  await holder.query('select count(*) from async_tasks')
  onTestFinished(() => holder.end())
  const codes = async () => {
    await manager.createTasks(Array.from({ length: 100 }, () => ({ task: tasks[0] ?? '' })))
    return codesOf(await examined.examine(loaded))
  }
  await expect.poll(codes, { timeout: 110_000, interval: 1_000 }).toEqual(['TRANSACTION_HELD'])
  const { out } = await commandOn(loaded)('doctor')
  expect(out).toMatch(
    /^TRANSACTION_HELD\n {2}seen {4}.*a forgotten shell.*\n {2}remedy {2}commit or roll back/,
  )
  expect(out).toMatch(/\n1 illness\n$/)
})

test('each illness that it knows has a test', () => {
  const tests = globSync('*.slow.test.ts', { cwd: import.meta.dirname })
    .map((name) => readFileSync(path.join(import.meta.dirname, name), 'utf8'))
    .join('\n')
  expect(ILLNESSES.filter((code) => !tests.includes(`'${code}'`))).toEqual([])
  expect(ILLNESSES.length).toBeGreaterThan(20)
})
