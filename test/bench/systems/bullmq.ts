import { createPool } from '../../../src/db/client.ts'
import type { OpenOptions, Session, System } from '../system.ts'
import { importPeer, POOL_SIZE } from './peer.ts'

interface Data {
  readonly n: number
}
interface Closable {
  on(event: 'error', listener: (error: Error) => void): void
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}
interface Queue extends Closable {
  setGlobalConcurrency(permits: number): Promise<unknown>
  add(name: string, data: Data): Promise<unknown>
  addBulk(jobs: readonly { name: string; data: Data }[]): Promise<unknown>
}
interface BullMq {
  Queue: new (name: string, options: object, backend: unknown) => Queue
  Worker: new (
    name: string,
    handler: (job: { data: Data }) => Promise<void>,
    options: object,
    backend: unknown,
  ) => Closable
  createPostgresBackend: unknown
  runMigrations: (client: unknown) => Promise<unknown>
}

const load = () => importPeer<BullMq>('bullmq')

async function open(url: string, { runs, limit }: OpenOptions): Promise<Session> {
  const { Queue, Worker, createPostgresBackend } = await load()
  const connection = { connectionString: url, max: POOL_SIZE }
  const defaultJobOptions = { removeOnComplete: true, removeOnFail: true }
  const name = limit ? 'limited' : 'bench'
  const queue = new Queue(name, { connection, defaultJobOptions }, createPostgresBackend)
  const worker =
    runs &&
    new Worker(
      name,
      async ({ data }) => {
        await runs.onStart(data.n)
      },
      { connection, concurrency: runs.concurrency },
      createPostgresBackend,
    )
  for (const part of [queue, worker]) {
    part?.on('error', (error) => console.error(`BullMQ: ${error.message}`))
    await part?.waitUntilReady()
  }
  if (limit) await queue.setGlobalConcurrency(limit.permits)
  return {
    create: (n) => queue.add('noop', { n }),
    createMany: (numbers) => queue.addBulk(numbers.map((n) => ({ name: 'noop', data: { n } }))),
    async close() {
      await worker?.close()
      await queue.close()
    },
  }
}

export const bullmq: System = {
  name: 'bullmq',
  mode: 'PostgreSQL backend, removeOnComplete',
  rows: 'deleted',
  measures: ['create-50', 'create-1', 'bulk', 'run', 'run-default', 'limited', 'pick-up'],
  tasksToRun: 2_000,
  concurrency: 32,
  defaultConcurrency: 1,
  sql: {
    busy: `select exists (select from bullmq.job where state in ('waiting', 'active', 'delayed')) as busy`,
    discard: 'delete from bullmq.job',
    stored: 'select count(*)::int as count from bullmq.job',
  },
  async prepare(url) {
    const { runMigrations } = await load()
    const pool = createPool({ connectionString: url, max: 1 })
    const client = await pool.connect()
    try {
      await runMigrations(client)
    } finally {
      client.release()
      await pool.end()
    }
  },
  open,
}
