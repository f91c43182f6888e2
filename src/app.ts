import { randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type pg from 'pg'
import { ensureAdmin } from './accounts/admin.ts'
import type { FirstPassword } from './accounts/first-password.ts'
import { WeakPassword } from './accounts/password-rules.ts'
import accounts from './accounts/plugin.ts'
import requestLimit from './accounts/request-limit.ts'
import { sessionCookie } from './accounts/session-cookie.ts'
import type { Appointment } from './accounts/store/appoint.ts'
import { findCredentials } from './accounts/store/users.ts'
import { type Config, ConfigError } from './config.ts'
import { createPool, endPool, ping } from './db/client.ts'
import { awaitConnection } from './db/full-server.ts'
import { migrate } from './db/migrate.ts'
import { watchDatabase } from './db/probe.ts'
import type { AnyTask } from './engine/definition/task-reference.ts'
import { type ConnectionLimits, connectionOptions, limitConnections } from './http/connections.ts'
import docs from './http/docs.ts'
import {
  handleClientError,
  handleError,
  handleFrameworkError,
  handleNotFound,
} from './http/error-handling.ts'
import { healthRoutes } from './http/health.ts'
import { metricsRoute } from './http/metrics.ts'
import { findMetricsSources } from './http/metrics-sources.ts'
import { warnOfProxies } from './http/proxies.ts'
import { addPublicPath } from './http/public-path.ts'
import { serializers } from './http/request-log.ts'
import securityHeaders from './http/security-headers.ts'
import { marketSchedules } from './market/schedules.ts'
import { createMarketSource } from './market/sources/create-source.ts'
import { createMarketTasks } from './market/tasks/index.ts'
import asyncTasks from './plugin.ts'
import { TaskMetrics } from './telemetry/metrics.ts'
import { version } from './version.ts'

const PREFIX = '/api/admin'
const PAGE = 'admin'

export interface AppOptions {
  /** Where the database is; without a URL in `config`, that of the embedded one. */
  databaseUrl: string
  /** Signs sessions where the configuration has no secret. Default: a random one, good for this process's life. */
  authSecret?: string
  /** Where the password of the first boot is kept; removed when the password is changed. */
  firstPassword?: FirstPassword
  /** Default: JSON lines of the configured level. */
  logger?: FastifyServerOptions['logger']
  /** Further handlers. */
  tasks?: readonly AnyTask[]
  /** Instead of the defaults. */
  connections?: Partial<ConnectionLimits>
  /** Ends the wait for another process's migrations, or for a connection; its reason is thrown. */
  signal?: AbortSignal
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The admin's password, when this boot made the admin and had to invent one. */
    firstBootPassword: string | undefined
  }
}

/** The bundled server, put together and ready to listen. Only this file knows everyone. */
export async function buildApp(config: Config, options: AppOptions): Promise<FastifyInstance> {
  const app = createServer(config, options)
  try {
    await compose(app, config, options)
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}

function createServer(config: Config, options: AppOptions): FastifyInstance {
  const app = Fastify({
    logger: withSerializers(options.logger ?? { level: config.log.level }),
    trustProxy: toTrust(config.http.trustProxy),
    ...connectionOptions(options.connections),
    bodyLimit: 64 * 1024,
    // The longest URL that Node accepts: an id of any length gets a 404.
    routerOptions: { maxParamLength: 16_384 },
    // Requests in flight when a stop begins are served like any other; readiness reports that the process is stopping.
    return503OnClosing: false,
    frameworkErrors: handleFrameworkError,
    clientErrorHandler: handleClientError,
  })
  limitConnections(app.server, options.connections)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
  if (!config.http.trustProxy) warnOfProxies(app)
  return app
}

function withSerializers(logger: NonNullable<AppOptions['logger']>) {
  return typeof logger === 'object' ? { ...logger, serializers } : logger
}

async function compose(app: FastifyInstance, config: Config, options: AppOptions): Promise<void> {
  const { databaseUrl, signal } = options
  const directUrl = config.database.directUrl ?? databaseUrl
  const onNotice = (message: string) => app.log.warn(message)
  const migration = { mode: 'auto', onNotice, ...(signal && { signal }) } as const
  await migrate(directUrl, 'tasks', migration)
  await migrate(directUrl, 'server', migration)
  const pool = openPool(app, config, databaseUrl)

  const { publicUrl } = config.http
  addPublicPath(app, publicUrl)
  await app.register(securityHeaders, { hsts: publicUrl?.protocol === 'https:' && publicUrl.port === '' })
  await app.register(requestLimit, { perMinute: config.http.requestsPerMinute })
  await registerAccounts(app, pool, config, options)

  const tasks = [...(options.tasks ?? [])]
  tasks.push(...createMarketTasks({ pool, source: createMarketSource(config.market) }))
  await app.register(asyncTasks, {
    ...config.tasks,
    pool,
    directConnectionString: directUrl,
    prepared: config.database.prepared,
    tasks,
    schedules: marketSchedules,
    prefix: PREFIX,
    authorize: app.authorizeUser,
    ...(publicUrl && { allowedOrigins: [publicUrl.origin] }),
    migrate: false,
    dashboard: { prefix: `/${PAGE}`, login: 'password' },
  })
  // Relative, for a proxy that adds a path.
  app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect(`${PAGE}/`, 302))
  const findDatabaseProblem = watchDatabase(() => ping(pool))
  await app.register(healthRoutes, {
    prefix: '/health',
    findDatabaseProblem,
    executorReasons: () => app.taskExecutor?.health().reasons ?? [],
    executorWarnings: () => app.taskExecutor?.health().warnings ?? [],
    stuckTasks: () => app.taskExecutor?.health().stuck ?? [],
    token: config.http.metricsToken,
    readHealth: () => app.tasks.health(),
  })
  await registerMetricsRoute(app, config, findDatabaseProblem)

  await awaitConnection(() => ping(pool))
  // Last: a generated password is shown once, and a boot that fails after this would lose it for good.
  await appointAdmin(app, pool, config, options.firstPassword)
}

async function registerAccounts(
  app: FastifyInstance,
  pool: pg.Pool,
  { auth, http }: Config,
  options: AppOptions,
): Promise<void> {
  const cookie = sessionCookie(http.publicUrl, PREFIX)
  if (http.docs) await app.register(docs, { version, cookieName: cookie.name })
  await app.register(accounts, {
    pool,
    secret: auth.secret ?? options.authSecret ?? randomBytes(32).toString('hex'),
    sessionTtlHours: auth.sessionTtlHours,
    sessionIdleMinutes: auth.sessionIdleMinutes,
    prefix: PREFIX,
    cookie,
    origin: http.publicUrl?.origin,
    onPasswordChange: ({ username }) => {
      if (username === auth.adminUsername) options.firstPassword?.forget()
    },
  })
}

async function appointAdmin(
  app: FastifyInstance,
  pool: pg.Pool,
  config: Config,
  firstPassword: FirstPassword | undefined,
): Promise<void> {
  const { adminUsername, adminPassword } = config.auth
  const firstBootPassword = await ensureAdmin(pool, {
    username: adminUsername,
    password: adminPassword,
    onAppointed: (appointment) => logAppointment(app, appointment),
    onWeakPassword: (expected) =>
      app.log.warn(
        `ADMIN_PASSWORD: expected ${expected}. It works on, because ${JSON.stringify(adminUsername)} has it already; set another one`,
      ),
  }).catch((error: unknown) => {
    if (!(error instanceof WeakPassword)) throw error
    throw new ConfigError([{ variable: 'ADMIN_PASSWORD', expected: error.expected }])
  })
  app.decorate('firstBootPassword', firstBootPassword)
  const admin = await findCredentials(pool, adminUsername)
  if (admin) await firstPassword?.forgetUnless(admin.passwordHash)
}

/** They reveal what runs here: in production they need a token. */
async function registerMetricsRoute(
  app: FastifyInstance,
  { production, http: { metricsToken: token } }: Config,
  findDatabaseProblem: () => Promise<string | undefined>,
): Promise<void> {
  if (production && token === undefined) {
    app.log.info('GET /metrics is off: METRICS_TOKEN is not set, and NODE_ENV is production')
    return
  }
  const metrics = new TaskMetrics({ ...findMetricsSources(app), findDatabaseProblem })
  await app.register(metricsRoute, { metrics, token })
}

/** An administrator who is left over is worth knowing about. */
function logAppointment({ log }: FastifyInstance, { demoted, others }: Appointment): void {
  if (demoted.length > 0) {
    log.warn(
      { users: demoted },
      'ADMIN_USERNAME has changed: these are no admins any more, their sessions ended',
    )
  }
  if (others.length > 0)
    log.info({ users: others }, 'there are other admins, whom ADMIN_USERNAME does not manage')
}

/** Fastify takes a number of proxies for none at all: it cannot know that they are the right ones. The operator does. */
function toTrust(trustProxy: Config['http']['trustProxy']) {
  if (typeof trustProxy !== 'number') return trustProxy
  return (_address: string, hop: number) => hop < trustProxy
}

/** Opened before the plugins that use it, so that it is closed after them: close hooks run backwards. */
function openPool(app: FastifyInstance, config: Config, connectionString: string): pg.Pool {
  const pool = createPool({
    connectionString,
    max: config.database.poolMax,
    searchPath: 'public',
    onIdleError: (error) => app.log.debug({ reason: error.message }, 'an idle database connection broke'),
  })
  app.addHook('onClose', () => endPool(pool, 1_000))
  return pool
}
