import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify from 'fastify'
import { z } from 'zod'
import type { AsyncTasksOptions, NewTaskItem, TaskContext, TaskError, TaskQuery } from '../../src/index.ts'
import { AuditWriter } from '../processes/chaos/audit.ts'
import type { WorkerMessage, WorkerQuestion } from '../processes/chaos/worker-messages.ts'

/** A server of somebody's with an installed version of the package: it creates tasks of all kinds, and runs them. */

export interface UpgradeWorkerConfig {
  readonly name: string
  /** The package's main module, of whatever version. */
  readonly entry: string
  readonly databaseUrl: string
  readonly auditUrl: string
  readonly options: Pick<AsyncTasksOptions, 'migrate'>
  /** Whether it uses what the last release does not have. */
  readonly isCurrent: boolean
}

const ROUND_MS = 200
const config = JSON.parse(process.argv[2] ?? '') as UpgradeWorkerConfig
const tell = (message: WorkerMessage) => void process.send?.(message)
// Without the test nobody would end it.
process.on('disconnect', () => process.exit(1))

// Another version has the same names, of which this file uses those that both have.
const fastifyAsyncTasks: typeof import('../../src/index.ts') = await import(config.entry)
const { default: asyncTasks, createTaskRegistry, PermanentError } = fastifyAsyncTasks

const audit = new AuditWriter(config.auditUrl, config.name)
async function audited(ctx: TaskContext, work: () => unknown): Promise<void> {
  const run = await audit.started(ctx.taskId, ctx.attempt)
  let how = 'threw'
  try {
    await work()
    how = 'returned'
  } finally {
    await audit.ended(run, how)
  }
}
const briefly = (ctx: TaskContext) => audited(ctx, () => delay(5 + 30 * Math.random()))

const registry = createTaskRegistry()
const { task } = registry
// Each attempt may have its process killed.
const maxRetries = 50
const mourn = task('mourn', { maxRetries })((_params, ctx) => briefly(ctx))
task('short', { maxRetries })((_params, ctx) => briefly(ctx))
task('tick', { maxRetries })((_params, ctx) => briefly(ctx))
task('three', { maxRetries, globalConcurrency: 3 })((_params, ctx) => briefly(ctx))
const keyed = z.object({ key: z.string() })
task('keyed', { maxRetries, params: keyed, concurrencyKey: ({ key }) => key })((_params, ctx) => briefly(ctx))
task('flaky', { maxRetries })((_params, ctx) =>
  audited(ctx, () => {
    if (ctx.attempt === 1) throw new Error('not at first')
  }),
)
task('doomed', { maxRetries, onFailed: mourn })((_params, ctx) =>
  audited(ctx, () => {
    throw new PermanentError('never')
  }),
)
/** Runs until it is cancelled. */
task('hold', { maxRetries, concurrency: 2 })((_params, ctx) =>
  audited(ctx, async () => {
    if (!ctx.signal.aborted) await once(ctx.signal, 'abort')
    ctx.signal.throwIfAborted()
  }),
)

const app = Fastify({ logger: { level: 'warn' } })
app.addHook('onClose', () => audit.close())
await app.register(asyncTasks, {
  ...config.options,
  connectionString: config.databaseUrl,
  registry,
  schedules: [{ name: 'every', cron: '* * * * * *', task: 'tick', missed: 'all' }],
  routes: false,
  concurrency: 8,
  pollIntervalMs: 200,
  heartbeatIntervalMs: 500,
  leaseMs: 3_000,
  retryBaseMs: 50,
  shutdownTimeoutMs: 20_000,
})
await app.ready()
tell({ kind: 'ready' })

let isCreating = true
const creating = create()

async function create(): Promise<void> {
  for (let round = 0; isCreating; round += 1) {
    const key = String(round % 3)
    const batch: NewTaskItem[] = [
      ...Array.from({ length: 5 }, () => ({ task: 'short' })),
      ...[{ task: 'flaky' }, { task: 'doomed' }, { task: 'three' }, { task: 'three' }],
      ...[
        { task: 'short', delayMs: 400 },
        { task: 'short', priority: 5 },
      ],
      ...[
        { task: 'keyed', params: { key } },
        { task: 'short', uniqueKey: `unique ${key}` },
      ],
    ]
    const created = await app.tasks.createTasks(batch)
    const unique = await app.tasks.createTask('short', {}, { uniqueKey: `one ${key}`, delayMs: 300 })
    const taskIds = [...created, unique].map(({ taskId }) => taskId)
    if (round % 5 === 0) taskIds.push((await app.tasks.createTask('hold')).taskId)
    if (config.isCurrent) {
      const replace = { uniqueKey: `newest ${key}`, onDuplicate: 'replace', delayMs: 300 } as const
      taskIds.push((await app.tasks.createTask('short', { round }, { ...replace, maxDelayMs: 1_000 })).taskId)
    }
    tell({ kind: 'created', taskIds })
    await cancelOne()
    await delay(ROUND_MS)
  }
}

/** Whoever has created it, and wherever it runs. @returns whether there was one */
async function cancelOne(): Promise<boolean> {
  const unfinished: TaskQuery = { taskType: 'hold', status: ['pending', 'running'], pageSize: 50 }
  const { tasks } = await app.tasks.listTasks(unfinished)
  const chosen = tasks[Math.floor(Math.random() * tasks.length)]
  if (!chosen) return false
  // Another process may have cancelled it, which is no error.
  await app.tasks.cancelTask(chosen.taskId).catch((error: unknown) => {
    // It will be, once the transaction that holds it ends.
    if ((error as TaskError).code !== 'CANCEL_PENDING') throw error
  })
  return true
}

async function stopCreating(): Promise<void> {
  isCreating = false
  await creating
}

/** Nothing new comes, and nothing runs for ever. */
async function comeToAnEnd(): Promise<void> {
  await stopCreating()
  await app.tasks.updateSchedule('every', { enabled: false })
  while (await cancelOne()) await delay(20)
}

process.on('message', ({ id }: WorkerQuestion) => {
  void comeToAnEnd().then(() => tell({ kind: 'answer', id, value: null }))
})
process.on('SIGTERM', () => {
  stopCreating()
    .then(() => app.close())
    .then(
      () => process.exit(0),
      () => process.exit(1),
    )
})
