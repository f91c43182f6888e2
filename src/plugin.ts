import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import { createPool, endPool } from './db/client.ts'
import { EngineSchema } from './db/engine-schema.ts'
import { migrate } from './db/migrate.ts'
import { requireReady } from './db/requirements.ts'
import { PUBLIC } from './db/schema-name.ts'
import { TaskError } from './engine/definition/errors.ts'
import { createTaskRegistry, defaultRegistry, type TaskRegistry } from './engine/definition/registry.ts'
import type { TaskSettings } from './engine/definition/settings.ts'
import type { TaskExecutor } from './engine/executor/executor.ts'
import type { TaskManager } from './engine/manager/manager.ts'
import { TaskRunner, type TaskRunnerOptions } from './engine/runner.ts'
import { within } from './engine/runtime/timeouts.ts'
import { ENGINE_TABLES } from './engine/store/tables.ts'
import { adminRoutes } from './http/admin.ts'
import { mountDashboard } from './http/dashboard.ts'
import { type AsyncTasksOptions, checkOptions } from './plugin-options.ts'
import { logTaskEvents } from './telemetry/log.ts'
import type { MetricsSources } from './telemetry/task-metrics.ts'
import { loadTracing } from './telemetry/tracing.ts'
import { requireNode, version } from './version.ts'

export type { AsyncTasksOptions }

declare module 'fastify' {
  interface FastifyInstance {
    /** Creates, reads and changes tasks. */
    tasks: TaskManager
    /** Runs tasks in this process; null with `executor: false`. */
    taskExecutor: TaskExecutor | null
  }
}

/** By manager: an app may have several. */
const metricsSources = new WeakMap<object, MetricsSources>()

/** For `registerMetrics`. Undefined: no manager of this plugin. */
export function sourcesOfManager(manager: unknown): MetricsSources | undefined {
  return typeof manager === 'object' && manager !== null ? metricsSources.get(manager) : undefined
}

async function asyncTasks(app: FastifyInstance, options: AsyncTasksOptions): Promise<void> {
  const { settings, schema, names } = checkRegistration(app, options)
  const tracing = options.trace ? await loadTracing(version) : undefined
  const log = app.log.child({ component: 'tasks', ...(schema.isPublic ? {} : { schema: schema.name }) })
  const pool = options.pool ?? createOwnPool(options, log)
  const endOwnPool = async () => {
    if (!options.pool) await endPool(pool, 1_000)
  }
  const closing = new AbortController()
  const opened = openDatabase(options, { pool, schema, log, signal: closing.signal })
  try {
    const ms = (app.initialConfig.pluginTimeout ?? 10_000) * START_SHARE
    // Zero: Fastify waits without a limit. A later error is for those who wait for it then.
    await (ms === 0 ? opened : within(ms, opened))
  } catch (error) {
    await endOwnPool()
    throw error
  }

  const runner = createRunner(options, { pool, schema, settings, opened, tracing })
  logTaskEvents(runner.events, log)
  app.decorate(names.manager, runner.manager)
  app.decorate(names.executor, runner.executor)
  metricsSources.set(runner.manager, sourcesOf(runner))
  app.addHook('onReady', async () => runner.start())
  const beginStop = () => {
    closing.abort(new TaskError('SHUTTING_DOWN', 'the app is closing'))
    runner.beginStop()
  }
  app.addHook('preClose', async () => {
    beginStop()
    // Fastify goes on with a `listen` that had begun before the close: that server would keep the process alive.
    app.server.once('listening', () => setImmediate(() => app.server.close()))
  })
  app.addHook('onClose', async () => {
    try {
      beginStop()
      await runner.stop()
    } finally {
      await endOwnPool()
    }
  })

  if (options.routes === false) return
  const { prefix = '/api/admin', authorize = false, allowedOrigins } = options
  const { manager, feed } = runner
  const isOpen = () => runner.isOpen
  await app.register(adminRoutes, { prefix, manager, feed, authorize, allowedOrigins, isOpen })
  await mountDashboard(app, options.dashboard, prefix)
}

function createRunner(
  options: AsyncTasksOptions,
  parts: Pick<TaskRunnerOptions, 'pool' | 'schema' | 'settings' | 'opened' | 'tracing'>,
): TaskRunner {
  return new TaskRunner({
    ...parts,
    registry: registryOf(options),
    schedules: options.schedules,
    version,
    executes: options.executor ?? true,
    prepared: options.prepared ?? true,
    listen: directConnection(options, parts.pool),
  })
}

function sourcesOf(runner: TaskRunner): MetricsSources {
  const { events, executor, manager, taskTypes, stopped } = runner
  return {
    events,
    executor,
    // A process that only creates tasks has no attempts to count.
    taskTypes: executor ? taskTypes : [],
    stats: () => manager.stats(),
    health: () => manager.health(),
    findDatabaseProblem: () => runner.findDatabaseProblem(),
    stopped,
  }
}

interface Registration {
  readonly settings: TaskSettings
  readonly schema: EngineSchema
  readonly names: Decorators
}

/** Before anything is opened. @throws TaskError `INVALID_ARGUMENT` */
function checkRegistration(app: FastifyInstance, options: AsyncTasksOptions): Registration {
  requireNode()
  const settings = checkOptions(options, app.prefix)
  const names = requireFreeDecorators(app, options)
  requireFreePaths(app, options)
  return { settings, schema: new EngineSchema(options.schema ?? PUBLIC), names }
}

interface Decorators {
  readonly manager: string
  readonly executor: string
}

/** Fastify would refuse them when the pool and the engine are there. */
function requireFreeDecorators(app: FastifyInstance, { decorator = 'tasks' }: AsyncTasksOptions): Decorators {
  const executor = decorator === 'tasks' ? 'taskExecutor' : `${decorator}Executor`
  const taken = [decorator, executor].find((name) => app.hasDecorator(name))
  if (taken === undefined) return { manager: decorator, executor }
  throw new TaskError(
    'INVALID_ARGUMENT',
    `app.${taken} exists already: fastify-async-tasks was registered before, or the name is taken; ` +
      'register it once, in a scope of its own, or with another decorator',
  )
}

/** Of two runners in one app each has its own paths. */
function requireFreePaths(app: FastifyInstance, options: AsyncTasksOptions): void {
  if (options.routes === false) return
  const { prefix = '/api/admin', dashboard = false } = options
  const refuse = (name: string, path: string) => {
    throw new TaskError(
      'INVALID_ARGUMENT',
      `fastify-async-tasks options: ${name} must be a path of this runner alone, and ${path} has routes already`,
    )
  }
  if (app.hasRoute({ method: 'GET', url: `${app.prefix}${prefix}/tasks` })) refuse('prefix', prefix)
  const page = typeof dashboard === 'object' ? (dashboard.prefix ?? '/admin') : '/admin'
  if (dashboard !== false && app.hasRoute({ method: 'GET', url: `${app.prefix}${page}/` }))
    refuse('dashboard.prefix', page)
}

function createOwnPool({ connectionString = '' }: AsyncTasksOptions, log: FastifyBaseLogger): pg.Pool {
  const onIdleError = (error: Error) =>
    log.debug({ reason: error.message }, 'an idle database connection broke')
  return createPool({ connectionString, onIdleError })
}

/** Applies or checks the migrations, and refuses a database on which nothing could work. */
async function openDatabase(
  options: AsyncTasksOptions,
  {
    pool,
    schema,
    log,
    signal,
  }: { pool: pg.Pool; schema: EngineSchema; log: FastifyBaseLogger; signal: AbortSignal },
): Promise<void> {
  const mode = options.migrate ?? 'auto'
  if (mode !== false) {
    const onNotice = (message: string) => log.warn(message)
    // The app may be ready before that: an error would leave it without its database.
    const lockWaitMs = Number.POSITIVE_INFINITY
    await migrate(directConnection(options, pool), 'tasks', { mode, schema, onNotice, lockWaitMs, signal })
  }
  const tables = ENGINE_TABLES.map((table) => schema.rename(table))
  await requireReady(pool, tables)
}

/**
 * What a start waits for the database, as a share of Fastify's `pluginTimeout`: other plugins around this one share it.
 * A migration that takes longer goes on; until it has ended, statements wait and the routes return 503.
 */
const START_SHARE = 0.25

/** A way to the database that keeps its session. */
function directConnection(options: AsyncTasksOptions, pool: pg.Pool): pg.ClientConfig {
  const connectionString = options.directConnectionString ?? options.connectionString
  if (connectionString !== undefined) return { connectionString }
  // The pool hides its password from a copy.
  const { password } = pool.options
  return { ...pool.options, ...(password === undefined ? {} : { password }) }
}

function registryOf(options: AsyncTasksOptions): TaskRegistry {
  if (!options.tasks) return options.registry ?? defaultRegistry
  const registry = createTaskRegistry()
  registry.add(...options.tasks)
  return registry
}

/**
 * The job runner as a Fastify plugin. It decorates the app with `tasks` and `taskExecutor`, or under the name in `decorator`, mounts the REST routes under
 * `prefix`, starts the executor when the app is ready and drains it in `app.close()`. The app's own validators, error
 * handler and 404 handler are not affected.
 *
 * @throws TaskError `INVALID_ARGUMENT` for invalid options, `DATABASE_UNAVAILABLE` without a connection,
 *   `MIGRATION_FAILED`, or `UNSUPPORTED_DATABASE`
 */
export default fp(asyncTasks, { name: 'fastify-async-tasks', fastify: '5.x' })
