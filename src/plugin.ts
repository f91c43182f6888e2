import { readFileSync } from 'node:fs'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import { createPool, endPool } from './db/client.ts'
import { migrate } from './db/migrate.ts'
import { adminRoutes } from './http/admin.ts'
import type { Authorize } from './http/authorize.ts'
import { type DashboardMount, mountDashboard } from './http/dashboard.ts'
import { TaskError } from './tasks/errors.ts'
import type { TaskExecutor } from './tasks/executor/executor.ts'
import type { TaskManager } from './tasks/manager.ts'
import { toPointer } from './tasks/params.ts'
import { createTaskRegistry, defaultRegistry, type TaskRegistry } from './tasks/registry.ts'
import { TaskRunner } from './tasks/runner.ts'
import type { ScheduleOptions } from './tasks/schedule-options.ts'
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
  /**
   * Schedules that this code owns: they are made so at each start, but for `enabled`, which counts only while there is no
   * such schedule yet. One that is no longer listed stays as it is; delete it.
   */
  schedules?: readonly ScheduleOptions[]
  /** Required while routes are mounted; `false` only where the host already guards the prefix. */
  authorize?: Authorize | false
  /** False: no HTTP routes. Default true. */
  routes?: boolean
  /** Where the routes are, such as `/ops`; a path of their own. Default `/api/admin`. */
  prefix?: string
  /** True: the admin page at `/admin/`, or under the prefix given. Needs `routes`. Default false. */
  dashboard?: boolean | DashboardMount
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
  app.addHook('onReady', async () => runner.start())
  app.addHook('preClose', async () => runner.beginStop())
  app.addHook('onClose', async () => {
    try {
      await runner.stop()
    } finally {
      await endOwnPool()
    }
  })

  if (options.routes === false) return
  const { prefix = '/api/admin', authorize = false } = options
  await app.register(adminRoutes, { prefix, manager: runner.manager, feed: runner.feed, authorize })
  await mountDashboard(app, options.dashboard, prefix)
}

function createOwnPool({ connectionString = '' }: AsyncTasksOptions, log: FastifyBaseLogger): pg.Pool {
  const onIdleError = (error: Error) =>
    log.debug({ reason: error.message }, 'an idle database connection broke')
  return createPool({ connectionString, onIdleError })
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
  // At the root our 404 would answer for the host's own paths.
  requirePath('prefix', options.prefix)
  if (!options.dashboard) return
  if (options.routes === false) throw refused('dashboard needs the routes, and routes is false')
  const { prefix = '/admin' } = options.dashboard === true ? {} : options.dashboard
  requirePath('dashboard.prefix', prefix)
  if (prefix === (options.prefix ?? '/api/admin')) throw refused('dashboard.prefix must differ from prefix')
}

function requirePath(name: string, value: string | undefined): void {
  if (value === undefined || /^\/.*[^/]$/.test(value)) return
  throw refused(`${name} must start with '/' and not end with one, got '${value}'`)
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
