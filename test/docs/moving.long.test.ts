import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { installPeers } from '../bench/peers.ts'
import { importPeer } from '../bench/systems/peer.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { blocksOf } from '../support/docs.ts'

interface Job {
  readonly id: string
}
interface Source {
  readonly name: string
  next(): Promise<Job[]>
  remove(jobs: Job[]): Promise<number>
}
type Target = (jobs: Job[]) => Promise<unknown>
interface MoveJobs {
  moveJobs(
    app: FastifyInstance,
    pool: pg.Pool,
    source: Source,
    convert?: (job: Job) => object,
  ): Promise<{ moved: number; withoutKey: number }>
  removeMoved(pool: pg.Pool, source: Source): Promise<void>
  moveBack(app: FastifyInstance, pool: pg.Pool, taskType: string, add: Target): Promise<number>
  fromPgBoss(pool: pg.Pool): Source
  fromGraphileWorker(pool: pg.Pool): Source
  fromBullMq(queue: unknown): Source
  toGraphileWorker(utils: unknown): Target
  toBullMq(queue: unknown): Target
}
const moving = (await import(new URL('../../docs/moving/move-jobs.js', import.meta.url).href)) as MoveJobs
const { fromBullMq, fromGraphileWorker, fromPgBoss, moveJobs } = moving
const { moveBack, removeMoved, toBullMq, toGraphileWorker } = moving

const JOBS = 10_000
const DUE = new Date('2040-01-01T00:00:00Z')

/** Of the nth job: every third is delayed, every fifth urgent, and every seventh has a key. */
const isDelayed = (n: number) => n % 3 === 0
const isUrgent = (n: number) => n % 5 === 0
const hasKey = (n: number) => n % 7 === 0
const numbers = Array.from({ length: JOBS }, (_, n) => n)

const mail = createTaskRegistry().task('mail')(() => 'sent')
let database: TestDatabase
let app: FastifyInstance

beforeAll(() => installPeers(), 600_000)

beforeEach(async () => {
  database = await createTestDatabase('empty')
  app = Fastify({ pluginTimeout: 0 })
  await app.register(asyncTasks, { pool: database.pool, tasks: [mail], routes: false, executor: false })
  await app.ready()
  return async () => {
    await app.close()
    await database.drop()
  }
})

/** A crash after the commit and before the removal, and then another run. */
async function moveWithACrash(
  source: Source,
  moveTheRest: () => Promise<unknown> = () => moveJobs(app, database.pool, source),
): Promise<unknown> {
  const crash = new Error('the process dies')
  const dying = { ...source, remove: () => Promise.reject(crash) }
  await expect(moveJobs(app, database.pool, dying)).rejects.toBe(crash)
  return moveTheRest()
}

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
  const env = { PATH: process.env.PATH, DATABASE_URL: database.directUrl }
  return (await promisify(execFile)(process.execPath, ['move.js'], { cwd, env })).stdout
}

/** As the page says: the lines of the second example in the place of `moveJobs`. */
const runTheScriptBack = () => runTheScript(THERE.replace(/^.*await moveJobs.*$/m, () => BACK))

/** A crash when the jobs of a batch are added and its tasks are not cancelled, and then another run. */
async function moveBackWithACrash(add: Target) {
  const crash = new Error('the process dies')
  const dying = async (jobs: Job[]) => {
    await add(jobs)
    throw crash
  }
  await expect(moveBack(app, database.pool, 'mail', dying)).rejects.toBe(crash)
  expect(await moveBack(app, database.pool, 'mail', add)).toBe(JOBS)
}

/** @param keyOf the unique key of the nth task */
async function expectAll(keyOf: (n: number) => unknown, [urgent, others]: [number, number] = [7, 0]) {
  const { rows } = await database.pool.query(
    `select (p.value)::int as n, t.status, t.task_type, t.priority, t.unique_key, t.run_at, t.max_retries
       from async_tasks t join async_task_params p on p.task_id = t.task_id and p.key = 'n'
      where t.status = 'pending' order by 1`,
  )
  expect(rows.map(({ n }) => n)).toEqual(numbers)
  for (const { n, ...row } of rows) {
    expect(row).toEqual({
      status: 'pending',
      task_type: 'mail',
      priority: isUrgent(n) ? urgent : others,
      unique_key: keyOf(n),
      run_at: isDelayed(n) ? DUE : expect.toSatisfy((runAt: Date) => runAt.getTime() <= Date.now()),
      max_retries: 4,
    })
  }
}

test('10,000 jobs of pg-boss arrive once, with delay, priority and key, and go back', async () => {
  interface Boss {
    start(): Promise<unknown>
    stop(options: object): Promise<void>
    createQueue(name: string): Promise<void>
    insert(name: string, jobs: readonly object[]): Promise<unknown>
  }
  const { PgBoss } = await importPeer<{ PgBoss: new (options: object) => Boss }>('pg-boss')
  const boss = new PgBoss({ connectionString: database.directUrl, openTelemetry: { enabled: false } })
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
  await database.pool.query(`insert into pgboss.job (name) values ('__pgboss__send-it')`)
  const source = fromPgBoss(database.pool)
  const moved = await moveWithACrash(source, () => runTheScript(THERE))
  expect(moved).toBe(`{ moved: ${JOBS - 500}, withoutKey: 0 }\n`)
  await expectAll((n) => (hasKey(n) ? `mail key ${n}` : null))
  expect(await source.next()).toEqual([])

  expect(await runTheScriptBack()).toBe(`${JOBS}\n`)
  // Moved here again, they are as they were.
  expect(await moveJobs(app, database.pool, source)).toEqual({ moved: JOBS, withoutKey: 0 })
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
  const utils = await makeWorkerUtils({ connectionString: database.directUrl })
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
  const source = fromGraphileWorker(database.pool)
  expect(await moveWithACrash(source)).toEqual({ moved: JOBS - 500, withoutKey: 0 })
  await expectAll((n) => (hasKey(n) ? `key ${n}` : null))
  expect(await source.next()).toEqual([])

  await moveBackWithACrash(toGraphileWorker(utils))
  await utils.release()
  expect(await moveJobs(app, database.pool, source)).toEqual({ moved: JOBS, withoutKey: 0 })
  await expectAll(() => expect.stringMatching(/^task_/))
})

test('what an interrupted move left in both places is removed from the source, once', async () => {
  let jobs = [1, 2].map((n) => ({
    ...{ id: String(n), type: 'mail', data: { n }, runAt: DUE, priority: 0, maxRetries: 1 },
  }))
  const source = {
    name: 'a list',
    next: async () => jobs.slice(0, 1),
    remove: async (moved: Job[]) => {
      jobs = jobs.filter(({ id }) => moved.every((job) => job.id !== id))
      return moved.length
    },
  }
  const crash = new Error('the process dies')
  const dying = { ...source, remove: () => Promise.reject(crash) }
  await expect(moveJobs(app, database.pool, dying)).rejects.toBe(crash)
  const [first] = jobs
  await removeMoved(database.pool, source)
  expect(jobs.map(({ id }) => id)).toEqual(['2'])
  // A later job with the same id stays.
  if (first) jobs.unshift(first)
  await removeMoved(database.pool, source)
  expect(jobs.map(({ id }) => id)).toEqual(['1', '2'])
})

test('several jobs with one key arrive all; the first keeps it', async () => {
  let jobs = [1, 2, 3].map((n) => ({
    ...{ id: String(n), type: 'mail', data: { n }, runAt: DUE, priority: 0, maxRetries: 1, key: 'one' },
  }))
  const source = {
    name: 'a list',
    next: async () => jobs,
    remove: async (moved: Job[]) => {
      jobs = []
      return moved.length
    },
  }
  expect(await moveJobs(app, database.pool, source)).toEqual({ moved: 3, withoutKey: 2 })
  const { rows } = await database.pool.query('select unique_key from async_tasks order by id')
  expect(rows.filter(({ unique_key }) => unique_key === 'one')).toHaveLength(1)
  expect(rows).toHaveLength(3)
})

test('a key that is too long for a task is replaced by that of the function, also where several jobs have it', async () => {
  const key = 'long '.repeat(60)
  let jobs = [1, 2].map((n) => ({
    ...{ id: String(n), type: 'mail', data: { n }, runAt: DUE, priority: 0, maxRetries: 1, key },
  }))
  const source = {
    name: 'a list',
    next: async () => jobs,
    remove: async (moved: Job[]) => {
      jobs = []
      return moved.length
    },
  }
  await expect(moveJobs(app, database.pool, source)).rejects.toThrow('uniqueKey')
  const convert = ({ id }: Job) => ({ task: 'mail', params: { id }, uniqueKey: 'short' })
  expect(await moveJobs(app, database.pool, source, convert)).toEqual({ moved: 2, withoutKey: 1 })
  const { rows } = await database.pool.query('select unique_key from async_tasks order by unique_key')
  expect(rows).toEqual([{ unique_key: 'short' }, { unique_key: null }])
})

let redis: ChildProcess | undefined
let socket: string | undefined
const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-redis-'))
afterAll(async () => {
  if (redis?.kill()) await once(redis, 'exit')
  rmSync(folder, { recursive: true, force: true })
})

/** @returns its socket */
function startRedis(): string {
  if (socket !== undefined) return socket
  expect(spawnSync('redis-server', ['--version']).status, 'install redis-server').toBe(0)
  socket = path.join(folder, 'redis.sock')
  redis = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''], {
    stdio: 'ignore',
  })
  return socket
}

test('10,000 jobs of BullMQ on Redis arrive once, with delay, priority and key, and go back', async () => {
  interface Queue {
    waitUntilReady(): Promise<unknown>
    addBulk(jobs: readonly object[]): Promise<unknown>
    close(): Promise<void>
  }
  const { Queue } = await importPeer<{ Queue: new (name: string, options: object) => Queue }>('bullmq')
  const queue = new Queue('mail', { connection: { path: startRedis() } })
  await queue.waitUntilReady()
  const createdAt = Date.now()
  await queue.addBulk(
    numbers.map((n) => ({
      name: 'mail',
      data: { n },
      opts: {
        attempts: 5,
        ...(isDelayed(n) ? { timestamp: createdAt, delay: DUE.getTime() - createdAt } : {}),
        // None goes before all others.
        ...(isUrgent(n) ? {} : { priority: 7 }),
        ...(hasKey(n) ? { deduplication: { id: `key ${n}` } } : {}),
      },
    })),
  )
  const source = fromBullMq(queue)
  const { moved } = (await moveWithACrash(source)) as { moved: number }
  expect(moved).toBeLessThan(JOBS)
  await expectAll((n) => (hasKey(n) ? `key ${n}` : null), [0, -7])
  expect(await source.next()).toEqual([])

  await moveBackWithACrash(toBullMq(queue))
  expect(await moveJobs(app, database.pool, source)).toEqual({ moved: JOBS, withoutKey: 0 })
  await expectAll(() => expect.stringMatching(/^task_/), [0, -7])
  await queue.close()
})

test('a retry of BullMQ keeps its delay, and what a scheduler adds stays in the queue', async () => {
  interface Queue {
    add(name: string, data: object, options: object): Promise<unknown>
    upsertJobScheduler(id: string, repeat: object, template: object): Promise<unknown>
    getJobSchedulersCount(): Promise<number>
    close(): Promise<void>
  }
  interface Worker extends NodeJS.EventEmitter {
    close(): Promise<void>
  }
  type Handler = () => Promise<void>
  const { Queue, Worker } = await importPeer<{
    Queue: new (name: string, options: object) => Queue
    Worker: new (name: string, handler: Handler, options: object) => Worker
  }>('bullmq')
  const options = { connection: { path: startRedis() } }
  const queue = new Queue('retried', options)
  onTestFinished(() => queue.close())
  const backoff = { type: 'fixed', delay: 3_600_000 }
  const addedAt = Date.now()
  await queue.add('mail', { n: 0 }, { attempts: 5, backoff, timestamp: addedAt - 86_400_000 })
  const worker = new Worker('retried', () => Promise.reject(new Error('not yet')), options)
  await once(worker, 'failed')
  await worker.close()
  await queue.upsertJobScheduler('nightly', { pattern: '0 0 * * *' }, { name: 'mail' })
  await queue.upsertJobScheduler('hourly', { every: 3_600_000 }, { name: 'mail' })

  expect(await moveJobs(app, database.pool, fromBullMq(queue))).toEqual({ moved: 1, withoutKey: 0 })
  const { rows } = await database.pool.query('select run_at, max_retries from async_tasks')
  expect(rows).toEqual([
    {
      run_at: expect.toSatisfy((runAt: Date) => runAt.getTime() >= addedAt + 3_600_000),
      max_retries: 3,
    },
  ])
  expect(await queue.getJobSchedulersCount()).toBe(2)
})
