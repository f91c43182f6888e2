import { setTimeout as delay } from 'node:timers/promises'
import type { Limit, OpenOptions, Session, System } from '../system.ts'
import { importPeer, POOL_SIZE } from './peer.ts'

interface Job {
  readonly id: string
  readonly data: { readonly n: number }
}
interface Boss {
  on(event: 'error', listener: (error: Error) => void): void
  start(): Promise<unknown>
  stop(options: object): Promise<void>
  createQueue(name: string, options: object): Promise<void>
  send(name: string, data: object): Promise<unknown>
  insert(name: string, jobs: readonly { data: object; group?: { id: string } }[]): Promise<unknown>
  work(name: string, options: object, handler: (jobs: readonly Job[]) => Promise<unknown>): Promise<unknown>
  fetch(name: string, options: object): Promise<readonly Job[]>
  complete(name: string, ids: readonly string[]): Promise<unknown>
}
interface PgBoss {
  PgBoss: new (options: object) => Boss
}

const LOCAL_CONCURRENCY = 8
const BATCH = 100
const RAW_BATCH = 1_000

async function start(url: string): Promise<Boss> {
  const { PgBoss } = await importPeer<PgBoss>('pg-boss')
  const boss = new PgBoss({
    connectionString: url,
    max: POOL_SIZE,
    useListenNotify: true,
    openTelemetry: { enabled: false },
    registerInstance: false,
  })
  boss.on('error', (error) => console.error(`pg-boss: ${error.message}`))
  await boss.start()
  return boss
}

/** Notifications cost each send something, and only latency gains: each has a queue of its own. */
const queueFor = ({ tuning }: OpenOptions) => (tuning === 'latency' ? 'notified' : 'polled')

type Runs = NonNullable<OpenOptions['runs']>
type StartWork = (
  boss: Boss,
  queue: string,
  onStart: Runs['onStart'],
  limit: Limit | undefined,
) => Promise<() => Promise<void>>

/** Its limits over all processes are those of a group. */
const GROUP = { group: { id: 'limited' } }

async function open(url: string, options: OpenOptions, startWork: StartWork): Promise<Session> {
  const boss = await start(url)
  const queue = queueFor(options)
  const stopWork = options.runs && (await startWork(boss, queue, options.runs.onStart, options.limit))
  return {
    create: (n) => boss.send(queue, { n }),
    createMany: (numbers) =>
      boss.insert(
        queue,
        numbers.map((n) => ({ data: { n }, ...(options.limit && GROUP) })),
      ),
    async close() {
      await stopWork?.()
      await boss.stop({ graceful: true, timeout: 30_000 })
    },
  }
}

const work: StartWork = async (boss, queue, onStart, limit) => {
  const settings = {
    localConcurrency: LOCAL_CONCURRENCY,
    batchSize: limit ? 1 : BATCH,
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
    ...(limit && { groupConcurrency: limit.permits }),
  }
  await boss.work(queue, settings, async (jobs) => {
    for (const { data } of jobs) await onStart(data.n)
  })
  return async () => {}
}

const fetchAndComplete: StartWork = async (boss, queue, onStart) => {
  const stop = new AbortController()
  const loop = async () => {
    while (!stop.signal.aborted) {
      const jobs = await boss.fetch(queue, { batchSize: RAW_BATCH })
      for (const { data } of jobs) void onStart(data.n)
      if (jobs.length > 0)
        await boss.complete(
          queue,
          jobs.map(({ id }) => id),
        )
      else await delay(5)
    }
  }
  const loops = [loop(), loop()]
  return async () => {
    stop.abort()
    await Promise.all(loops)
  }
}

const common = {
  rows: 'kept',
  sql: {
    busy: `select exists (select from pgboss.job where state < 'completed') as busy`,
    discard: `delete from pgboss.job where state < 'completed'`,
    stored: 'select count(*)::int as count from pgboss.job',
  },
  async prepare(url: string) {
    const boss = await start(url)
    await boss.createQueue('polled', { partition: true, notify: false })
    await boss.createQueue('notified', { partition: true, notify: true })
    await boss.stop({ graceful: true })
  },
} as const

export const pgBossWork: System = {
  ...common,
  name: 'pg-boss',
  mode: `work, ${LOCAL_CONCURRENCY} × ${BATCH}, burst; latency: notify`,
  measures: ['create-50', 'create-1', 'bulk', 'run', 'limited', 'pick-up'],
  tasksToRun: 24_000,
  concurrency: LOCAL_CONCURRENCY * BATCH,
  open: (url, options) => open(url, options, work),
}

export const pgBossRaw: System = {
  ...common,
  name: 'pg-boss-raw',
  mode: `2 loops of fetch + complete, batches of ${RAW_BATCH}`,
  measures: ['run'],
  tasksToRun: 40_000,
  concurrency: 2 * RAW_BATCH,
  open: (url, options) => open(url, options, fetchAndComplete),
}
