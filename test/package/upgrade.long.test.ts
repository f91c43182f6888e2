import path from 'node:path'
import type pg from 'pg'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { version } from '../../src/version.ts'
import { Audit } from '../processes/chaos/audit.ts'
import { createRandom, SEED } from '../processes/chaos/seed.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { Fleet, type Kind } from './fleet.ts'
import { run } from './pack.ts'
import { useReleases } from './releases.ts'

vi.setConfig({ testTimeout: 600_000 })

const releases = useReleases()
const command = path.join(releases.current.folder, 'dist/cli/bin.js')

/** That release refuses a newer schema by itself: its host makes it go back so. Later ones need nothing. */
const OLD: Kind = { release: releases.old, migrate: false }
const NEW: Kind = { release: releases.current, migrate: 'verify' }

const LATER: Kind = { release: releases.current, migrate: 'auto' }

const EXPECTED_OUTPUT = [
  /^flaky task attempt failed and will be retried$/,
  /^doomed task failed$/,
  /^of none: tasks of a dead executor were rescued$/,
  /^of none: the database is newer than this code, which works with it/,
]

let database: TestDatabase
let auditDatabase: TestDatabase
let audit: Audit
let fleet: Fleet
beforeEach(async ({ task }) => {
  console.log(`CHAOS_SEED=${SEED}`)
  database = await createTestDatabase('empty')
  auditDatabase = await createTestDatabase('empty')
  audit = new Audit(auditDatabase.pool)
  await audit.createTables()
  const urls = { databaseUrl: database.directUrl, auditUrl: auditDatabase.directUrl }
  fleet = new Fleet({ ...urls, audit, random: createRandom(task.name) })
})
afterEach(async () => {
  await fleet.destroy()
  await auditDatabase.drop()
  await database.drop()
})

test('the last release and this version share a database while it is migrated, and back', async () => {
  // The last release alone, on its own schema.
  await fleet.start({ ...OLD, migrate: 'auto' })
  await fleet.start(OLD, OLD)
  await moreCompleted(300)

  const { stdout } = await run(process.execPath, [command, 'migrate', '--database-url', database.directUrl])
  expect(stdout).toMatch(/^public: applied 0008_deleted_by, .*0011_steps/)

  // Side by side.
  await moreCompleted(100)
  await fleet.start(NEW, NEW)
  await fleet.killAtRandom([OLD, NEW], 20_000)

  // Forth.
  await stopAll('old', NEW)
  await fleet.killAtRandom([NEW], 4_000)
  await moreCompleted(100)

  // And back.
  const refused = fleet.fork({ ...OLD, migrate: 'auto' })
  await expect(refused.tells('ready')).rejects.toThrow('the database is newer than this code')
  fleet.workers.splice(fleet.workers.indexOf(refused), 1)
  await stopAll('new', OLD)
  await fleet.killAtRandom([OLD], 4_000)
  await moreCompleted(100)
  await allEnded()
  expect(await mixedTasks()).toBeGreaterThan(0)

  // From this version on a process starts on a newer schema by itself.
  await addLaterMigration()
  await stopAll('old', LATER)
  await fleet.start(LATER, LATER, LATER)
  await fleet.killAtRandom([LATER], 3_000)
  await moreCompleted(100)
  await allEnded()
  const last = fleet.alive
  expect(await fleet.stop(last)).toEqual(last.map(() => 0))
  await nothingIsLeft()
  console.log(
    `${fleet.kills} kills of ${fleet.workers.length} processes, ${JSON.stringify(await audit.count())}`,
  )
})

/** What a later version would have applied. */
async function addLaterMigration(): Promise<void> {
  await query(`alter table async_tasks add column mood text not null default 'good'`)
  await query(
    `insert into async_tasks_migrations (hash, created_at, oldest_version) values ('later', 4102444800000, $1)`,
    [version],
  )
}

async function query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
  return (await database.pool.query<Row>(text, values)).rows
}

/** Every task has the end of its type, whatever happened to its processes, and nothing went wrong on the way. */
async function allEnded(): Promise<void> {
  await fleet.stopCreating()
  const unfinished = `select task_id from async_tasks where status in ('pending', 'running')`
  await expect.poll(() => query(unfinished), { interval: 100 }).toEqual([])
  expect(fleet.unexpectedOutput(EXPECTED_OUTPUT)).toEqual([])
  expect(await audit.overlaps()).toEqual([])
  expect(await audit.doubled()).toEqual([])

  const ends = await query<{ taskType: string; statuses: string[]; ids: string[] }>(
    `select task_type as "taskType", array_agg(distinct status) as statuses, array_agg(task_id) as ids
       from async_tasks group by 1 order by 1`,
  )
  const expected = { doomed: 'failed', hold: 'cancelled' } as Record<string, string>
  for (const { taskType, statuses } of ends) {
    expect([taskType, statuses]).toEqual([taskType, [expected[taskType] ?? 'completed']])
  }
  const idsOf = (type: string) => ends.find(({ taskType }) => taskType === type)?.ids ?? []
  expect(ends.map(({ taskType }) => taskType)).toEqual([
    'doomed',
    'flaky',
    'hold',
    'keyed',
    'mourn',
    'short',
    'three',
    'tick',
  ])
  // Exactly one follow-up for each failure.
  expect(idsOf('mourn')).toHaveLength(idsOf('doomed').length)
  expect(await audit.mostAtOnce(idsOf('three'))).toBeLessThanOrEqual(3)
  for (const { ids } of await query<{ ids: string[] }>(
    `select array_agg(task_id) as ids from async_tasks where task_type = 'keyed' group by concurrency_key`,
  )) {
    expect(await audit.mostAtOnce(ids)).toBe(1)
  }
  await noTaskIsLost(new Set(ends.flatMap(({ ids }) => ids)))
  await eachTickMadeOneTask()
}

/** Of those whose creates returned. */
async function noTaskIsLost(present: ReadonlySet<string>): Promise<void> {
  const created = fleet.workers.flatMap((worker) => worker.told('created').flatMap(({ taskIds }) => taskIds))
  expect(created.length).toBeGreaterThan(100)
  expect(created.filter((taskId) => !present.has(taskId))).toEqual([])
}

async function eachTickMadeOneTask(): Promise<void> {
  const rows = await query<{ tick: string }>(
    `select substring(message from ' for (.*)$') as tick from async_task_logs
      where starts_with(message, 'created by schedule ') order by id`,
  )
  const ticks = rows.map(({ tick }) => Date.parse(tick)).toSorted((a, b) => a - b)
  const [first = 0] = ticks
  expect(ticks).toEqual(ticks.map((_tick, i) => first + i * 1_000))
}

/** Tasks of which one attempt ran in one version and another one in the other. */
async function mixedTasks(): Promise<number> {
  const { rows } = await auditDatabase.pool.query<{ count: number }>(
    `select count(*)::int from (select from runs group by task_id
      having bool_or(starts_with(worker, 'old')) and bool_or(starts_with(worker, 'new'))) mixed`,
  )
  return rows[0]?.count ?? 0
}

async function nothingIsLeft(): Promise<void> {
  const sessions = `select application_name, query from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid()
                       and backend_type = 'client backend'`
  expect(await query(sessions)).toEqual([])
  const alive = `select executor_id from async_task_executors where stopped_at is null and heartbeat_at > now() - interval '1 s'`
  expect(await query(alive)).toEqual([])
}

/** Until so many more tasks have completed. */
async function moreCompleted(count: number): Promise<void> {
  const text = `select count(*)::int from async_tasks where status = 'completed'`
  const completed = async () => (await query<{ count: number }>(text))[0]?.count ?? 0
  const before = await completed()
  await expect.poll(completed, { interval: 50 }).toBeGreaterThanOrEqual(before + count)
}

/** Ends all of a release, and starts others in their places first. */
async function stopAll(name: string, successors: Kind): Promise<void> {
  const leaving = fleet.alive.filter((worker) => worker.name.startsWith(name))
  await fleet.start(...leaving.map(() => successors))
  expect(await fleet.stop(leaving)).toEqual(leaving.map(() => 0))
}
