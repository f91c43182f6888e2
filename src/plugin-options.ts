import type pg from 'pg'
import { suggest } from './client/option-names.ts'
import { CONNECTION_STRING, isConnectionString } from './db/connection-string.ts'
import { findSchemaNameProblem } from './db/schema-name.ts'
import { TaskError } from './engine/definition/errors.ts'
import type { TaskRegistry } from './engine/definition/registry.ts'
import { type TaskSettings, type TaskSettingsInput, taskSettings } from './engine/definition/settings.ts'
import type { AnyTask } from './engine/definition/task-reference.ts'
import type { ScheduleOptions } from './engine/schedules/schedule-options.ts'
import type { Authorize } from './http/authorize.ts'
import { type DashboardMount, findMountProblem } from './http/dashboard-mount.ts'
import { isOrigin } from './http/origin.ts'

/** Options of the plugin: what it works with, and the engine's settings. */
export interface AsyncTasksOptions extends TaskSettingsInput {
  /** URL of the database, such as `postgres://user:password@host:5432/database`. Give either this or `pool`. */
  connectionString?: string | undefined
  /** Your own pool; the plugin never closes it. Give either this or `connectionString`. */
  pool?: pg.Pool | undefined
  /** Direct URL for LISTEN and migrations, if the database is behind PgBouncer. Default: the same connection. */
  directConnectionString?: string | undefined
  /** False: no named prepared statements, for poolers that do not support them. Default true. */
  prepared?: boolean | undefined
  /**
   * PostgreSQL schema of all tables of the engine, at most 63 bytes, taken literally: upper case, spaces and quotes are
   * part of the name. Processes share tasks if they name the same one. `migrate: 'auto'` creates it, for which the role
   * needs `create` on the database. Default `public`.
   */
  schema?: string | undefined
  /**
   * Name of the task manager on the app, such as `reports` for `app.reports`, where one app has two runners; the executor
   * is then `app.reportsExecutor`. Needs a `prefix` of its own. Default `tasks`, with `app.taskExecutor`.
   */
  decorator?: string | undefined
  /** The handlers of this app. Default: those of `registry`. */
  tasks?: readonly AnyTask[] | undefined
  /** The registry of handlers; ignored if `tasks` is given. Default: the registry that `task()` fills. */
  registry?: TaskRegistry | undefined
  /**
   * Schedules that your code declares. Each start overwrites them, except for `enabled`, which is used only when the
   * schedule is first created. A schedule that you remove here stays until you delete it. Default: none.
   */
  schedules?: readonly ScheduleOptions[] | undefined
  /**
   * Required unless `routes` is false. Returns `{ id, name?, role? }` of the caller, or nothing (401), or throws an error
   * with `statusCode` 401 or 403. The role is `admin` (without the property), `viewer` or `owner`. `false` only if your own hook guards the scope in which you register the plugin.
   */
  authorize?: Authorize | false | undefined
  /**
   * Other origins, such as `https://app.example`, whose pages may send changes with a visitor's cookie. Your app must
   * allow them by CORS as well. Default: none.
   */
  allowedOrigins?: readonly string[] | undefined
  /** False: no REST routes. Default true. */
  routes?: boolean | undefined
  /**
   * Path of the REST routes, such as `/ops`, which nothing else uses. It may have parameters, such as `/:tenant/ops`, for
   * `authorize`, but not `:taskId`, `:taskType`, `:name`, `:groupId` or `:executorId`, which are the routes' own. Default
   * `/api/admin`.
   */
  prefix?: string
  /** Mounts the admin page: true at `/admin/`, or an object of its options. Needs `routes`. Default false. */
  dashboard?: boolean | DashboardMount | undefined
  /** False: this process creates and shows tasks, but runs none. Default true. */
  executor?: boolean | undefined
  /**
   * True: spans for creates and attempts, with the package `@opentelemetry/api`, which your app installs, and the tracer
   * provider and context manager that it has registered there. Default false: nothing is traced, at no cost.
   */
  trace?: boolean | undefined
  /** `auto` applies migrations, `verify` fails the start if one is missing, false does neither. Default `auto`. */
  migrate?: 'auto' | 'verify' | false | undefined
}

/** What a value must be, in words that end a sentence, and whether it is. */
type Rule = readonly [expected: string, fits: (value: unknown) => boolean]

const isText = (value: unknown) => typeof value === 'string'
const isFlag = (value: unknown) => typeof value === 'boolean'
const isOneOf = (...values: unknown[]) => values.includes.bind(values)
const isIdentifier = (value: unknown) => typeof value === 'string' && /^[A-Za-z_$][\w$]*$/.test(value)
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
const hasMethods =
  (...names: string[]) =>
  (value: unknown) =>
    isObject(value) && names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')

/** A client has these methods, too. */
const isPool = (value: unknown) =>
  hasMethods('connect', 'query')(value) && !('connectionParameters' in (value as object))

const TEXT: Rule = ['a string', isText]
const FLAG: Rule = ['true or false', isFlag]
const PATH: Rule = ["a string such as '/ops'", isText]

const OPTION_RULES: Record<Exclude<keyof AsyncTasksOptions, keyof TaskSettingsInput>, Rule> = {
  connectionString: TEXT,
  pool: ['a pool of pg', isPool],
  directConnectionString: TEXT,
  prepared: FLAG,
  schema: TEXT,
  decorator: ["a name such as 'reports', of letters, digits, _ and $", isIdentifier],
  tasks: ['a list of handlers', Array.isArray],
  registry: ['a registry, as createTaskRegistry() makes them', hasMethods('add', 'definitions')],
  schedules: ['a list of schedules', (value) => Array.isArray(value) && value.every(isObject)],
  authorize: ['a function or false', (value) => value === false || typeof value === 'function'],
  allowedOrigins: ['a list of origins', Array.isArray],
  routes: FLAG,
  prefix: PATH,
  dashboard: ['true, false or an object such as { prefix }', (value) => isFlag(value) || isObject(value)],
  executor: FLAG,
  trace: FLAG,
  migrate: ["'auto', 'verify' or false", isOneOf('auto', 'verify', false)],
}

const DASHBOARD_RULES: Record<keyof DashboardMount, Rule> = {
  prefix: PATH,
  login: ["'password' or 'host'", isOneOf('password', 'host')],
  title: TEXT,
  environment: TEXT,
  loginUrl: TEXT,
  logoutUrl: TEXT,
  homeUrl: TEXT,
}

/** Fastify's own options of every plugin. */
const FASTIFY_OPTIONS = ['logLevel', 'logSerializers']

/**
 * The settings among the options, when all options are right.
 *
 * @param base the prefix of the scope in which the plugin is registered
 * @throws TaskError `INVALID_ARGUMENT`, naming each option at fault; never its value, which may be a secret
 */
export function checkOptions(options: AsyncTasksOptions, base = ''): TaskSettings {
  const parsed = taskSettings.safeParse(options)
  const problems = [
    ...findMisfits(options, OPTION_RULES, [...Object.keys(taskSettings.shape), ...FASTIFY_OPTIONS]),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`),
    ...(isObject(options.dashboard)
      ? findMisfits(options.dashboard as object, DASHBOARD_RULES, [], 'dashboard.')
      : []),
  ]
  if (problems.length > 0 || !parsed.success) throw refused(problems.join('; '))
  checkTogether(options, base)
  return parsed.data
}

function findMisfits(
  given: object,
  rules: Readonly<Record<string, Rule>>,
  others: readonly string[],
  base = '',
): string[] {
  const known = [...Object.keys(rules), ...others]
  return Object.entries(given).flatMap(([name, value]) => {
    if (others.includes(name)) return []
    if (!Object.hasOwn(rules, name)) return `${base}${name} is not a known option${suggest(name, known)}`
    const [expected, fits] = rules[name] as Rule
    return value === undefined || fits(value)
      ? []
      : `${base}${name} must be ${expected}, got ${typeName(value)}`
  })
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function checkTogether(options: AsyncTasksOptions, base: string): void {
  if ((options.pool === undefined) === (options.connectionString === undefined)) {
    throw refused(
      `give either connectionString or pool, got ${options.pool === undefined ? 'neither' : 'both'}`,
    )
  }
  for (const name of ['connectionString', 'directConnectionString'] as const) {
    const value = options[name]
    if (value === undefined || isConnectionString(value)) continue
    throw refused(`${name} must be ${CONNECTION_STRING}`)
  }
  const problem = options.schema === undefined ? undefined : findSchemaNameProblem(options.schema)
  if (problem !== undefined) throw refused(`schema must be ${problem}`)
  if (options.tasks && options.registry) throw refused('give either tasks or registry')
  if (options.routes !== false && options.authorize === undefined) {
    throw refused(
      'authorize is required while routes are mounted: a function that returns who is asking, ' +
        'or false where the prefix is guarded already',
    )
  }
  for (const [index, origin] of (options.allowedOrigins ?? []).entries()) {
    if (isOrigin(origin)) continue
    const expected = "an origin such as 'https://app.example', without a path or a wildcard"
    throw refused(
      `allowedOrigins[${index}] must be ${expected}, got ${typeof origin === 'string' ? `'${origin}'` : typeName(origin)}`,
    )
  }
  // At the root our 404 would be sent for the host's own paths.
  requirePath('prefix', options.prefix)
  if (options.routes !== false) requireOwnParameters(base, options.prefix ?? '')
  if (!options.dashboard) return
  if (options.routes === false) throw refused('dashboard needs the routes, and routes is false')
  const mount = options.dashboard === true ? {} : options.dashboard
  const misfit = findMountProblem(mount)
  if (misfit !== undefined) throw refused(misfit)
  const { prefix = '/admin' } = mount
  requirePath('dashboard.prefix', prefix)
  requirePagePath(options.prefix ?? '/api/admin', prefix)
  if (prefix === (options.prefix ?? '/api/admin')) throw refused('dashboard.prefix must differ from prefix')
}

function requirePath(name: string, value: string | undefined): void {
  if (value === undefined) return
  if (!/^\/.*[^/]$/.test(value)) {
    throw refused(`${name} must start with '/' and not end with one, got '${value}'`)
  }
  const [sign] = /[*?#]/.exec(value) ?? []
  if (sign === undefined) return
  throw refused(
    `${name} must not contain '${sign}', got '${value}'; a variable part is written '/:tenant/ops'`,
  )
}

/** Parameters of the routes' own paths. The same name in the prefix would get the value of one of them only. */
const ROUTE_PARAMETERS = ['taskId', 'taskType', 'name', 'groupId', 'executorId']

function requireOwnParameters(base: string, prefix: string): void {
  const taken = parametersOf(base + prefix).find((name) => ROUTE_PARAMETERS.includes(name))
  if (taken === undefined) return
  const instead = `:host${taken[0]?.toUpperCase()}${taken.slice(1)}`
  throw refused(
    `prefix must not use the parameter :${taken}, which belongs to the routes below it; ` +
      `write another name, such as ${instead}, got '${base + prefix}'`,
  )
}

/** The page knows the routes by a relative path, which cannot name a parameter. */
function requirePagePath(prefix: string, page: string): void {
  const parameters = prefix.split('/').findLastIndex((segment) => parametersOf(segment).length > 0)
  const common = prefix.split('/', parameters + 1).join('/')
  if (parameters === -1 || `${page}/`.startsWith(`${common}/`)) return
  throw refused(
    `dashboard.prefix must begin with '${common}', as prefix does, such as '${common}/admin', got '${page}'`,
  )
}

/** As find-my-way reads them; `::` is a colon. */
function parametersOf(path: string): string[] {
  return [...path.replaceAll('::', '').matchAll(/:(\w+)/g)].map(([, name = '']) => name)
}

function refused(what: string): TaskError {
  return new TaskError('INVALID_ARGUMENT', `fastify-async-tasks options: ${what}`)
}
