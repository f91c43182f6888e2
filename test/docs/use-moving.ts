import Fastify, { type FastifyInstance } from 'fastify'
import type pg from 'pg'
import { beforeAll, beforeEach, expect } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { installPeers } from '../bench/peers.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

export interface Job {
  readonly id: string
}
export interface Source {
  readonly name: string
  next(): Promise<Job[]>
  remove(jobs: Job[]): Promise<number>
}
export type Target = (jobs: Job[]) => Promise<unknown>
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
export const moving = (await import(
  new URL('../../docs/moving/move-jobs.js', import.meta.url).href
)) as MoveJobs
const { moveBack, moveJobs } = moving

export const JOBS = 10_000
export const DUE = new Date('2040-01-01T00:00:00Z')

/** Of the nth job: every third is delayed, every fifth urgent, and every seventh has a key. */
export const isDelayed = (n: number) => n % 3 === 0
export const isUrgent = (n: number) => n % 5 === 0
export const hasKey = (n: number) => n % 7 === 0
export const numbers = Array.from({ length: JOBS }, (_, n) => n)

const mail = createTaskRegistry().task('mail')(() => 'sent')

/** The engine's tables in a fresh database for each test of the file, and an app on them that runs no task. */
export function useMoving() {
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

  const move = (source: Source, convert?: (job: Job) => object) =>
    moveJobs(app, database.pool, source, convert)

  /** A crash after the commit and before the removal, and then another run. */
  async function moveWithACrash(
    source: Source,
    moveTheRest: () => Promise<unknown> = () => move(source),
  ): Promise<unknown> {
    const crash = new Error('the process dies')
    const dying = { ...source, remove: () => Promise.reject(crash) }
    await expect(move(dying)).rejects.toBe(crash)
    return moveTheRest()
  }

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

  return {
    get database() {
      return database
    },
    move,
    removeMoved: (source: Source) => moving.removeMoved(database.pool, source),
    moveWithACrash,
    moveBackWithACrash,
    expectAll,
  }
}
