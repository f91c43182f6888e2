import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Fastify from 'fastify'
import { createPool, endPool } from '../../../src/db/client.ts'
import asyncTasks from '../../../src/plugin.ts'
import { AuditWriter } from './audit.ts'
import type { Answers, Question, WorkerConfig, WorkerMessage, WorkerQuestion } from './worker-messages.ts'
import { createWorkerTasks } from './worker-tasks.ts'

/** A server of somebody's: the plugin in an app of their own, which it closes on SIGTERM as src/server.ts does. */

const config = JSON.parse(process.argv[2] ?? '') as WorkerConfig
const tell = (message: WorkerMessage) => void process.send?.(message)
// Without the test nobody would end it.
process.on('disconnect', () => process.exit(1))

const audit = new AuditWriter(config.auditUrl, config.name)
const gate = new AbortController()
const app = Fastify({ logger: { level: config.logLevel } })
const pool = createPool({
  connectionString: config.databaseUrl,
  onIdleError: (error) => app.log.warn({ reason: error.message }, 'an idle database connection broke'),
})
app.addHook('onClose', async () => {
  await endPool(pool, 1_000)
  await audit.close()
})

let stopping: NodeJS.Signals | undefined
process.on('SIGTERM', (signal) => {
  if (stopping) process.exit(1)
  stopping = signal
  app.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const answers: { [Q in Question]: () => Answers[Q] } = {
  health: () => {
    if (!app.taskExecutor) throw new Error('a worker has an executor')
    return app.taskExecutor.health()
  },
  pool: () => ({
    total: pool.totalCount,
    checkedOut: pool.totalCount - pool.idleCount,
    waiting: pool.waitingCount,
  }),
  memory: () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  },
  release: () => {
    gate.abort()
    return null
  },
}
process.on('message', ({ id, question }: WorkerQuestion) => {
  tell({ kind: 'answer', id, value: answers[question]() })
})

await app.register(asyncTasks, {
  ...config.settings,
  pool,
  directConnectionString: config.directUrl ?? config.databaseUrl,
  prepared: config.prepared,
  tasks: createWorkerTasks({ audit, pool, gate: gate.signal, tell: config.quiet ? () => {} : tell }),
  routes: false,
  migrate: false,
})
await app.ready()
tell({ kind: 'ready' })
