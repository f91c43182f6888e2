import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import { createPool, endPool } from './db/client.ts'
import { migrate } from './db/migrate.ts'
import { adminRoutes } from './http/admin.ts'
import { mountDashboard } from './http/dashboard.ts'
import { type AsyncTasksOptions, checkOptions } from './plugin-options.ts'
import { TaskError } from './tasks/errors.ts'
import type { TaskExecutor } from './tasks/executor/executor.ts'
import type { TaskManager } from './tasks/manager.ts'
import { createTaskRegistry, defaultRegistry, type TaskRegistry } from './tasks/registry.ts'
import { TaskRunner } from './tasks/runner.ts'
import { logTaskEvents } from './telemetry/log.ts'
import { version } from './version.ts'

export type { AsyncTasksOptions }

declare module 'fastify' {
  interface FastifyInstance {
    /** Creates, reads and steers tasks. */
    tasks: TaskManager
    /** Null where `executor: false`. */
    taskExecutor: TaskExecutor | null
  }
}

/** Under this the bundled server finds what happens in the engine. Not for hosts: events come and go with the engine. */
export const TASK_EVENTS = Symbol('task events')

async function asyncTasks(app: FastifyInstance, options: AsyncTasksOptions): Promise<void> {
  const settings = checkOptions(options)
  requireFreeDecorators(app)
  const log = app.log.child({ component: 'tasks' })
  const pool = options.pool ?? createOwnPool(options, log)
  const endOwnPool = async () => {
    if (!options.pool) await endPool(pool, 1_000)
  }
  try {
    await applyMigrations(options, pool)
  } catch (error) {
    await endOwnPool()
    throw error
  }

  const runner = new TaskRunner({
    pool,
    settings,
    registry: registryOf(options),
    schedules: options.schedules,
    version,
    executes: options.executor ?? true,
    prepared: options.prepared ?? true,
    listen: directConnection(options, pool),
  })
  logTaskEvents(runner.events, log)
  app.decorate('tasks', runner.manager)
  app.decorate('taskExecutor', runner.executor)
  app.decorate(TASK_EVENTS, runner.events)
  app.addHook('onReady', async () => runner.start())
  app.addHook('preClose', async () => {
    runner.beginStop()
    // Fastify goes on with a `listen` that had begun before the close: that server would keep the process alive.
    app.server.once('listening', () => setImmediate(() => app.server.close()))
  })
  app.addHook('onClose', async () => {
    try {
      await runner.stop()
    } finally {
      await endOwnPool()
    }
  })

  if (options.routes === false) return
  const { prefix = '/api/admin', authorize = false, allowedOrigins } = options
  const { manager, feed } = runner
  await app.register(adminRoutes, { prefix, manager, feed, authorize, allowedOrigins })
  await mountDashboard(app, options.dashboard, prefix)
}

/** Before anything is opened: Fastify would refuse them when the pool and the engine are there. */
function requireFreeDecorators(app: FastifyInstance): void {
  const taken = ['tasks', 'taskExecutor'].find((name) => app.hasDecorator(name))
  if (taken === undefined) return
  throw new TaskError(
    'INVALID_ARGUMENT',
    `app.${taken} exists already: fastify-async-tasks was registered before, or the name is taken; ` +
      'register it once, or in a scope of its own',
  )
}

function createOwnPool({ connectionString = '' }: AsyncTasksOptions, log: FastifyBaseLogger): pg.Pool {
  const onIdleError = (error: Error) =>
    log.debug({ reason: error.message }, 'an idle database connection broke')
  return createPool({ connectionString, onIdleError })
}

async function applyMigrations(options: AsyncTasksOptions, pool: pg.Pool): Promise<void> {
  const mode = options.migrate ?? 'auto'
  if (mode !== false) await migrate(directConnection(options, pool), 'tasks', { mode })
}

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
 * The job runner as a Fastify plugin. It decorates the app with `tasks`, mounts the admin routes under a prefix of
 * their own, starts its executor when the app is ready and drains it in `app.close()`. The host's validators, error
 * handler and 404 stay what they are.
 */
export default fp(asyncTasks, { name: 'fastify-async-tasks', fastify: '5.x' })
