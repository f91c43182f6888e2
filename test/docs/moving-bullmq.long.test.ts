import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { importPeer } from '../bench/systems/peer.ts'
import { DUE, hasKey, isDelayed, isUrgent, JOBS, moving, numbers, useMoving } from './use-moving.ts'

const { fromBullMq, toBullMq } = moving
const moves = useMoving()
const { move, moveWithACrash, moveBackWithACrash, expectAll } = moves

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
  expect(await move(source)).toEqual({ moved: JOBS, withoutKey: 0 })
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

  expect(await move(fromBullMq(queue))).toEqual({ moved: 1, withoutKey: 0 })
  const { rows } = await moves.database.pool.query('select run_at, max_retries from async_tasks')
  expect(rows).toEqual([
    {
      run_at: expect.toSatisfy((runAt: Date) => runAt.getTime() >= addedAt + 3_600_000),
      max_retries: 3,
    },
  ])
  expect(await queue.getJobSchedulersCount()).toBe(2)
})
