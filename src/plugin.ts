import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import { createPool, endPool } from './db/client.ts'
import { createDatabase } from './db/database.ts'
import { migrate } from './db/migrate.ts'
import { adminRoutes } from './http/admin.ts'
import type { Authorize } from './http/authorize.ts'
import { TaskError } from './tasks/errors.ts'
import { TaskEvents } from './tasks/events.ts'
import { TaskExecutor } from './tasks/executor/executor.ts'
import { TaskManager } from './tasks/manager.ts'
import { Notifier } from './tasks/notifications.ts'
import { toPointer } from './tasks/params.ts'
import { createTaskRegistry, defaultRegistry, type TaskRegistry } from './tasks/registry.ts'
import { type TaskSettings, type TaskSettingsInput, taskSettings } from './tasks/settings.ts'
import type { AnyTask } from './tasks/task.ts'
import { logTaskEvents } from './telemetry/log.ts'

export interface AsyncTasksOptions extends TaskSettingsInput {
  /** Where the tables are. Either this or `pool`. */
  connectionString?: string
  /** A pool of the host's; used, never ended. */
  pool?: pg.Pool
  /** For LISTEN and migrations, where the other one leads through PgBouncer. Default: the same database. */
  directConnectionString?: string
  /** False: no named prepared statements, for poolers that do not keep them. Default true. */
  prepared?: boolean
  /** Exactly these handlers. Default: those of `registry`. */
  tasks?: readonly AnyTask[]
  /** Default: the registry that `task()` fills. */
  registry?: TaskRegistry
  /** Required while routes are mounted; `false` only where the host already guards the prefix. */
  authorize?: Authorize | false
  /** False: no HTTP routes. Default true. */
  routes?: boolean
  /** Where the routes are. Default `/api/admin`. */
  prefix?: string
  /** False: this process creates and shows tasks but runs none. Default true. */
  executor?: boolean
  /** `auto` applies the engine's migrations, `verify` refuses to start without them, false does neither. Default `auto`. */
  migrate?: 'auto' | 'verify' | false
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Creates, reads and steers tasks. */
    tasks: TaskManager
    /** Null where `executor: false`. */
    taskExecutor: TaskExecutor | null
  }
}

/** The same file from src and from dist. */
export const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

async function asyncTasks(app: FastifyInstance, options: AsyncTasksOptions): Promise<void> {
  const settings = parseSettings(options)
  checkOptions(options)
  const log = app.log.child({ component: 'tasks' })
  const connectionString = options.connectionString
  const onIdleError = (error: Error) =>
    log.warn({ reason: error.message }, 'an idle database connection broke')
  const pool = options.pool ?? createPool({ connectionString: connectionString ?? '', onIdleError })

  try {
    await applyMigrations(options, pool)
  } catch (error) {
    if (!options.pool) await endPool(pool, 1_000)
    throw error
  }

  const events = new TaskEvents()
  logTaskEvents(events, log)
  const db = createDatabase(pool, {
    prepared: options.prepared ?? true,
    // An executor must learn that a connection is dead while others still count on it.
    answerTimeoutMs: Math.min(settings.leaseMs / 2, 30_000),
  })
  const registry = registryOf(options)
  const definitions = new Map(registry.definitions())
  const manager = new TaskManager({ db, settings, definitions, events })
  const executor =
    options.executor === false
      ? null
      : new TaskExecutor({
          db,
          settings,
          definitions,
          manager,
          events,
          version,
          listen: directConnection(options, pool),
        })
  const notifier = new Notifier({
    db,
    events,
    runsHere: (taskTypes) => executor?.runsAtOnce(taskTypes) ?? false,
    holds: (taskId) => executor?.holds(taskId) ?? false,
  })
  app.decorate('tasks', manager)
  app.decorate('taskExecutor', executor)

  app.addHook('onReady', async () => {
    // From here on the types are fixed; what is registered later belongs to apps that start later.
    for (const [type, definition] of registry.definitions()) definitions.set(type, definition)
    executor?.start()
  })
  app.addHook('preClose', async () => {
    // Requests that wait for tasks would keep the server from closing, and the drain from being waited for.
    executor?.beginStop()
    manager.close()
  })
  app.addHook('onClose', async () => {
    try {
      await executor?.stop()
    } finally {
      notifier.stop()
      if (!options.pool) await endPool(pool, 1_000)
    }
  })

  if (options.routes !== false) {
    await app.register(adminRoutes, {
      prefix: options.prefix ?? '/api/admin',
      manager,
      authorize: options.authorize ?? false,
    })
  }
}

function parseSettings(options: AsyncTasksOptions): TaskSettings {
  const answer = taskSettings.safeParse(options)
  if (answer.success) return answer.data
  const problems = answer.error.issues.map((issue) => ({
    pointer: toPointer(issue.path),
    detail: issue.message,
  }))
  throw refused(problems.map((problem) => `${problem.pointer.slice(1)}: ${problem.detail}`).join('; '))
}

function checkOptions(options: AsyncTasksOptions): void {
  if ((options.pool === undefined) === (options.connectionString === undefined)) {
    throw refused('give either connectionString or pool')
  }
  if (options.tasks && options.registry) throw refused('give either tasks or registry')
  if (options.routes !== false && options.authorize === undefined) {
    throw refused(
      'authorize is required while routes are mounted: a function that returns who is asking, ' +
        'or false where the prefix is guarded already',
    )
  }
}

function refused(what: string): TaskError {
  return new TaskError('INVALID_ARGUMENT', `fastify-async-tasks options: ${what}`)
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
