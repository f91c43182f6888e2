import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'
import { between, LONG, pick } from './seed.ts'

vi.setConfig({ testTimeout: 900_000 })

const CONNECTIONS = LONG ? 300 : 60
let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ maxConnections: CONNECTIONS })
})
afterAll(() => server.remove())
const arena = useArena(() => server.createDatabase())

test('PostgreSQL is restarted under load, fast and by a crash: nothing is lost and nobody is taken for dead', async () => {
  const { current } = arena
  const { random } = current
  await Promise.all([1, 2].map(() => current.startWorker({ logLevel: 'warn' })))
  const count = LONG ? 6_000 : 1_500
  await current.create(count, 'talk', () => ({ ms: between(random, 1, 100) }))
  for (const mode of LONG
    ? (['fast', 'immediate', 'fast', 'immediate'] as const)
    : (['fast', 'immediate'] as const)) {
    const { completed = 0 } = await current.statuses()
    await server.restart(mode)
    const target = Math.min(completed + 200, count)
    await expect.poll(() => current.completed()).toBeGreaterThanOrEqual(target)
  }
  await current.allCompleted(count, 120_000)
  expect(
    await current.query('select 1 from async_tasks where retry_count > 0 and result is not null'),
  ).toEqual([])
})

test('a server without a free connection: tasks wait, handlers go on, and all is done when there is room', async () => {
  const { current } = arena
  const worker = await current.startWorker({ settings: { concurrency: 4 } })
  await current.create(4, 'hold')
  await expect.poll(() => worker.told('started').length).toBe(4)
  await current.create(10, 'work', () => ({ ms: 1 }))
  // A connection that stays: those of pools end when they are idle, and their places are taken, too.
  const own = new pg.Client({ connectionString: current.database.url })
  await own.connect()

  // The worker's own connections are cut, and their places taken.
  current.proxy.set('reset')
  const occupation = new Occupation(server.url)
  try {
    expect(await occupation.isFull).toBeGreaterThan(CONNECTIONS / 2)
    current.proxy.set('none')
    await worker.ask('release')
    await expect.poll(() => worker.told('ended').length).toBe(4)
    const heartbeat = async () =>
      (await worker.ask('health')).loops.find(({ loop }) => loop === 'heartbeat')?.lastError
    await expect.poll(heartbeat).toContain('too many clients')
    const { rows } = await own.query(
      `select task_type as type, status, count(*)::int from async_tasks
        where task_type in ('hold', 'work') and not starts_with(task_id, 'task_bystander') group by 1, 2 order by 1`,
    )
    expect(rows).toEqual([
      { type: 'hold', status: 'running', count: 4 },
      { type: 'work', status: 'pending', count: 10 },
    ])
  } finally {
    await occupation.end()
    await own.end()
  }
  await current.allCompleted(14)
  expect(await current.audit.count()).toEqual({ tasks: 14, runs: 14 })
  await expect.poll(async () => (await worker.ask('health')).ok).toBe(true)
})

test.runIf(LONG)(
  '100,000 tasks, four processes, one of them killed every 2 s, two restarts of PostgreSQL: every task ends completed',
  async () => {
    const { current } = arena
    const { random } = current
    const count = 100_000
    const worker = { logLevel: 'warn', quiet: true } as const
    await Promise.all(Array.from({ length: 4 }, () => current.startWorker(worker)))
    await current.create(count, 'work', () => ({ ms: between(random, 0, 20) }), { maxRetries: 100 })
    const begunAt = performance.now()
    const restarts: [number, 'fast' | 'immediate'][] = [
      [count / 3, 'fast'],
      [(2 * count) / 3, 'immediate'],
    ]
    let kills = 0
    let restarting: Promise<void> | undefined
    while ((await current.completed()) < count) {
      // Every 2 s is what this test is about, however long the next one takes to boot.
      await delay(2_000)
      await current.kill(pick(random, current.workers))
      current.forkWorker(worker)
      kills += 1
      const [at, mode] = restarts[0] ?? [Number.POSITIVE_INFINITY, 'fast']
      if ((await current.completed()) < at) continue
      await restarting
      restarting = server.restart(mode)
      restarts.shift()
    }
    await restarting
    expect(restarts).toEqual([])
    await current.allCompleted(count, 120_000)
    const { runs } = await current.audit.count()
    const seconds = Math.round((performance.now() - begunAt) / 1_000)
    console.log(`${count} tasks in ${seconds} s and ${runs} runs, ${kills} kills, 2 restarts`)
  },
)

/** Takes every connection that the server has left, and each that becomes free later. */
class Occupation {
  readonly #full = Promise.withResolvers<number>()
  readonly #clients: pg.Client[] = []
  readonly #ended: Promise<void>
  #isOver = false

  constructor(url: string) {
    this.#ended = this.#occupy(url)
    this.#ended.catch(this.#full.reject)
  }

  /** Resolves with the number of connections taken once the server refuses one. */
  get isFull(): Promise<number> {
    return this.#full.promise
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#ended
    await Promise.all(this.#clients.map((client) => client.end()))
  }

  async #occupy(connectionString: string): Promise<void> {
    while (!this.#isOver) {
      const client = new pg.Client({ connectionString, application_name: 'idle' })
      client.on('error', () => {})
      try {
        await client.connect()
        this.#clients.push(client)
      } catch (error) {
        if ((error as { code?: string }).code !== '53300') throw error
        this.#full.resolve(this.#clients.length)
        await delay(20)
      }
    }
  }
}
