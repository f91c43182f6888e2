import type { OpenOptions, Session, System } from '../system.ts'
import { importPeer, POOL_SIZE } from './peer.ts'

interface Job {
  readonly n: number
}
interface WorkerUtils {
  migrate(): Promise<void>
  addJob(identifier: string, payload: Job, spec?: { jobKey?: string }): Promise<unknown>
  addJobs(jobs: readonly { identifier: string; payload: Job }[]): Promise<unknown>
  release(): Promise<void>
}
interface GraphileWorker {
  makeWorkerUtils: (options: object) => Promise<WorkerUtils>
  run: (options: object) => Promise<{ stop(): Promise<void> }>
  Logger: new (factory: () => () => void) => object
}

const load = () => importPeer<GraphileWorker>('graphile-worker')

/** `local`: what its guide to performance advises, with a local queue and batched completions. */
async function open(url: string, { runs }: OpenOptions, local: boolean): Promise<Session> {
  const { makeWorkerUtils, run, Logger } = await load()
  const logger = new Logger(() => () => {})
  const worker = { connectionString: url, maxPoolSize: POOL_SIZE, logger }
  const batched = {
    localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  }
  const utils = await makeWorkerUtils({ preset: { worker } })
  const runner =
    runs &&
    (await run({
      noHandleSignals: true,
      taskList: { noop: async ({ n }: Job) => void (await runs.onStart(n)) },
      preset: { worker: { ...worker, concurrentJobs: runs.concurrency, ...(local ? batched : {}) } },
    }))
  return {
    create: (n, jobKey) => utils.addJob('noop', { n }, jobKey === undefined ? {} : { jobKey }),
    createMany: (numbers) => utils.addJobs(numbers.map((n) => ({ identifier: 'noop', payload: { n } }))),
    async close() {
      await runner?.stop()
      await utils.release()
    },
  }
}

const common = {
  rows: 'deleted',
  sql: {
    busy: 'select exists (select from graphile_worker._private_jobs) as busy',
    discard: 'delete from graphile_worker._private_jobs',
    stored: 'select count(*)::int as count from graphile_worker._private_jobs',
  },
  async prepare(url: string) {
    const { makeWorkerUtils } = await load()
    const utils = await makeWorkerUtils({ connectionString: url })
    await utils.migrate()
    await utils.release()
  },
} as const

export const graphileBatched: System = {
  ...common,
  name: 'graphile-worker',
  mode: 'localQueue 500, batch delays 0',
  measures: ['create-50', 'create-unique-50', 'create-1', 'bulk', 'run', 'pick-up'],
  tasksToRun: 50_000,
  concurrency: 500,
  defaultConcurrency: 1,
  open: (url, options) => open(url, options, true),
}

export const graphilePlain: System = {
  ...common,
  name: 'graphile-worker-plain',
  mode: 'no local queue, no batching',
  measures: ['run', 'run-default', 'pick-up'],
  tasksToRun: 4_000,
  concurrency: POOL_SIZE,
  defaultConcurrency: 1,
  open: (url, options) => open(url, options, false),
}
