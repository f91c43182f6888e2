import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { importPeer } from '../bench/systems/peer.ts'
import { blocksOf } from '../support/docs.ts'
import { DUE, hasKey, isDelayed, isUrgent, JOBS, type Job, moving, numbers, useMoving } from './use-moving.ts'

const { fromGraphileWorker, fromPgBoss, toGraphileWorker } = moving
const moves = useMoving()
const { move, removeMoved, moveWithACrash, moveBackWithACrash, expectAll } = moves

const SCRIPTS = blocksOf('docs/moving.md').filter(({ language }) => language === 'js')
const [THERE = '', BACK = ''] = SCRIPTS.map(({ text }) => text)

/** Runs a script of docs/moving.md. @returns what it prints */
async function runTheScript(script: string): Promise<string> {
  const root = path.resolve(import.meta.dirname, '../..')
  const at = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-moving-'))
  onTestFinished(() => rmSync(at, { recursive: true, force: true }))
  const cwd = path.join(at, 'app')
  mkdirSync(cwd)
  symlinkSync(path.join(root, 'node_modules'), path.join(cwd, 'node_modules'))
  symlinkSync(path.join(root, 'test/bench/node_modules'), path.join(at, 'node_modules'))
  cpSync(path.join(root, 'docs/moving/move-jobs.js'), path.join(cwd, 'move-jobs.js'))
  const sources = path.join(root, 'src/index.ts')
  const tasks = `import { task } from '${sources}'\nexport const tasks = [task('mail')(() => 'sent')]\n`
  writeFileSync(path.join(cwd, 'package.json'), '{"type":"module"}')
  writeFileSync(path.join(cwd, 'tasks.js'), tasks)
  writeFileSync(path.join(cwd, 'move.js'), script.replace(`'fastify-async-tasks'`, `'${sources}'`))
  const env = { PATH: process.env.PATH, DATABASE_URL: moves.database.directUrl }
  return (await promisify(execFile)(process.execPath, ['move.js'], { cwd, env })).stdout
}

/** As the page says: the lines of the second example in the place of `moveJobs`. */
const runTheScriptBack = () => runTheScript(THERE.replace(/^.*await moveJobs.*$/m, () => BACK))

test('10,000 jobs of pg-boss arrive once, with delay, priority and key, and go back', async () => {
  interface Boss {
    start(): Promise<unknown>
    stop(options: object): Promise<void>
    createQueue(name: string): Promise<void>
    insert(name: string, jobs: readonly object[]): Promise<unknown>
  }
  const { PgBoss } = await importPeer<{ PgBoss: new (options: object) => Boss }>('pg-boss')
  const boss = new PgBoss({ connectionString: moves.database.directUrl, openTelemetry: { enabled: false } })
  await boss.start()
  await boss.createQueue('mail')
  await boss.insert(
    'mail',
    numbers.map((n) => ({
      data: { n },
      retryLimit: 4,
      ...(isDelayed(n) ? { startAfter: DUE } : {}),
      ...(isUrgent(n) ? { priority: 7 } : {}),
      ...(hasKey(n) ? { singletonKey: `key ${n}` } : {}),
    })),
  )
  await boss.stop({ graceful: false })
  // What pg-boss itself has left to do.
  await moves.database.pool.query(`insert into pgboss.job (name) values ('__pgboss__send-it')`)
  const source = fromPgBoss(moves.database.pool)
  const moved = await moveWithACrash(source, () => runTheScript(THERE))
  expect(moved).toBe(`{ moved: ${JOBS - 500}, withoutKey: 0 }\n`)
  await expectAll((n) => (hasKey(n) ? `mail key ${n}` : null))
  expect(await source.next()).toEqual([])

  expect(await runTheScriptBack()).toBe(`${JOBS}\n`)
  // Moved here again, they are as they were.
  expect(await move(source)).toEqual({ moved: JOBS, withoutKey: 0 })
  await expectAll(() => null)
})

test('10,000 jobs of graphile-worker arrive once, with delay, priority and key, and go back', async () => {
  interface Utils {
    migrate(): Promise<void>
    addJobs(jobs: readonly object[]): Promise<unknown>
    release(): Promise<void>
  }
  const { makeWorkerUtils } = await importPeer<{ makeWorkerUtils: (options: object) => Promise<Utils> }>(
    'graphile-worker',
  )
  const utils = await makeWorkerUtils({ connectionString: moves.database.directUrl })
  await utils.migrate()
  await utils.addJobs(
    numbers.map((n) => ({
      identifier: 'mail',
      payload: { n },
      maxAttempts: 5,
      ...(isDelayed(n) ? { runAt: DUE } : {}),
      ...(isUrgent(n) ? { priority: -7 } : {}),
      ...(hasKey(n) ? { jobKey: `key ${n}` } : {}),
    })),
  )
  const source = fromGraphileWorker(moves.database.pool)
  expect(await moveWithACrash(source)).toEqual({ moved: JOBS - 500, withoutKey: 0 })
  await expectAll((n) => (hasKey(n) ? `key ${n}` : null))
  expect(await source.next()).toEqual([])

  await moveBackWithACrash(toGraphileWorker(utils))
  await utils.release()
  expect(await move(source)).toEqual({ moved: JOBS, withoutKey: 0 })
  await expectAll(() => expect.stringMatching(/^task_/))
})

/** @returns a source of these jobs, of which `next` returns so many */
function listOf(jobs: Job[], atOnce: number) {
  const list = {
    name: 'a list',
    jobs,
    next: async () => list.jobs.slice(0, atOnce),
    remove: async (moved: Job[]) => {
      list.jobs = list.jobs.filter(({ id }) => moved.every((job) => job.id !== id))
      return moved.length
    },
  }
  return list
}

/** @param more what each of the jobs has besides */
const jobsWith = (ids: number[], more: object = {}) =>
  ids.map((n) => ({
    id: String(n),
    type: 'mail',
    data: { n },
    runAt: DUE,
    priority: 0,
    maxRetries: 1,
    ...more,
  }))

test('what an interrupted move left in both places is removed from the source, once', async () => {
  const source = listOf(jobsWith([1, 2]), 1)
  const crash = new Error('the process dies')
  const dying = { ...source, remove: () => Promise.reject(crash) }
  await expect(move(dying)).rejects.toBe(crash)
  const [first] = source.jobs
  await removeMoved(source)
  expect(source.jobs.map(({ id }) => id)).toEqual(['2'])
  // A later job with the same id stays.
  if (first) source.jobs.unshift(first)
  await removeMoved(source)
  expect(source.jobs.map(({ id }) => id)).toEqual(['1', '2'])
})

test('several jobs with one key arrive all; the first keeps it', async () => {
  const source = listOf(jobsWith([1, 2, 3], { key: 'one' }), 3)
  expect(await move(source)).toEqual({ moved: 3, withoutKey: 2 })
  const { rows } = await moves.database.pool.query('select unique_key from async_tasks order by id')
  expect(rows.filter(({ unique_key }) => unique_key === 'one')).toHaveLength(1)
  expect(rows).toHaveLength(3)
})

test('a key that is too long for a task is replaced by that of the function, also where several jobs have it', async () => {
  const key = 'long '.repeat(60)
  const source = listOf(jobsWith([1, 2], { key }), 2)
  await expect(move(source)).rejects.toThrow('uniqueKey')
  const convert = ({ id }: Job) => ({ task: 'mail', params: { id }, uniqueKey: 'short' })
  expect(await move(source, convert)).toEqual({ moved: 2, withoutKey: 1 })
  const { rows } = await moves.database.pool.query('select unique_key from async_tasks order by unique_key')
  expect(rows).toEqual([{ unique_key: 'short' }, { unique_key: null }])
})
