import { z } from 'zod'
import {
  databaseUrl,
  flag,
  notes,
  number,
  oneOf,
  publicUrl,
  secret,
  setting,
  text,
  trustProxy,
  username,
} from './config-variables.ts'
import { MAX_PASSWORD_CHARS } from './contract/session.ts'
import { MAX_POLL_INTERVAL_MS, type TaskSettings, taskSettings } from './engine/definition/settings.ts'

/**
 * The bundled server's environment, parsed once into a frozen `Config`. Nothing else reads `process.env`.
 * Names, defaults and limits of the engine's settings come from `engine/definition/settings.ts`.
 */
export type Config = Readonly<ReturnType<typeof toConfig>>

export type MarketConfig =
  | { readonly source: 'sample' }
  | { readonly source: 'files'; readonly filesDir: string }
  | { readonly source: 'tushare'; readonly token: string; readonly url: string }

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

export interface ConfigProblem {
  readonly variable: string
  /** As it was given; absent where nothing was given or where it is a secret. */
  readonly value?: string
  readonly expected: string
}

/** Holds every problem of the environment, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ variable, value, expected }) => {
      const given = value === undefined ? variable : `${variable}=${value}`
      return `  ${given}: expected ${expected}`
    })
    super(`the configuration has ${problems.length} problem(s):\n${lines.join('\n')}`)
    this.problems = problems
  }
}

const of = taskSettings.shape

/** One entry a variable, in the order of `.env.example`. */
export const environment = z
  .object({
    NODE_ENV: z.string().optional(),
    HOST: text('an address to listen on').default('127.0.0.1'),
    PORT: number({ min: 0, max: 65_535 }).default(3000),
    PUBLIC_URL: publicUrl().optional(),
    DOCS: flag().optional(),
    METRICS_TOKEN: z
      .string()
      .regex(/^\S{16,}$/)
      .register(notes, { expected: 'at least 16 characters, none of them a space', secret: true })
      .optional(),
    REQUESTS_PER_MINUTE: number({ min: 1, max: 1_000_000 }).default(6_000),
    TRUST_PROXY: trustProxy().default(false),
    LOG_LEVEL: oneOf(logLevels).default('info'),
    DATABASE_URL: databaseUrl().optional(),
    DATABASE_DIRECT_URL: databaseUrl().optional(),
    DATABASE_POOL_MAX: number({ min: 1, max: 1_000 }).default(10),
    DATABASE_PREPARED: flag().default(true),
    TASK_CONCURRENCY: setting(of.concurrency),
    TASK_POLL_INTERVAL_MS: setting(of.pollIntervalMs),
    TASK_IDLE_POLL_INTERVAL_MS: number({ min: 10, max: MAX_POLL_INTERVAL_MS }).optional(),
    TASK_TIMEOUT_SECONDS: setting(of.timeoutSeconds),
    TASK_MAX_RETRIES: setting(of.maxRetries),
    TASK_RETRY_BASE_MS: setting(of.retryBaseMs),
    TASK_HEARTBEAT_INTERVAL_MS: setting(of.heartbeatIntervalMs),
    TASK_LEASE_MS: setting(of.leaseMs),
    TASK_CANCEL_GRACE_MS: setting(of.cancelGraceMs),
    TASK_UNKNOWN_TYPE_GRACE_SECONDS: setting(of.unknownTypeGraceSeconds),
    TASK_RETENTION_DAYS: setting(of.retentionDays),
    TASK_AUDIT_RETENTION_DAYS: setting(of.auditRetentionDays),
    TASK_MAX_LOG_LINES: setting(of.maxLogLines),
    SHUTDOWN_TIMEOUT_MS: setting(of.shutdownTimeoutMs),
    AUTH_SECRET: z
      .string()
      .refine((value) => value.length >= 32 && new Set(value).size >= 10)
      .register(notes, {
        expected:
          'at least 32 characters, of them at least 10 different ones, such as of openssl rand -base64 32',
        secret: true,
      })
      .optional(),
    SESSION_TTL_HOURS: number({ min: 0.01, max: 8_760, isInt: false }).default(12),
    SESSION_IDLE_MINUTES: number({ min: 0.01, max: 525_600, isInt: false }).default(30),
    ADMIN_USERNAME: username('a name of 1 to 100 characters that is not blank').default('admin'),
    ADMIN_PASSWORD: z
      .string()
      .max(MAX_PASSWORD_CHARS)
      .register(notes, { expected: `a password of at most ${MAX_PASSWORD_CHARS} characters`, secret: true })
      .optional(),
    MARKET_SOURCE: oneOf(['sample', 'files', 'tushare']).default('sample'),
    MARKET_FILES_DIR: text('a folder').optional(),
    TUSHARE_TOKEN: secret('the token of a Tushare account').optional(),
    TUSHARE_URL: z
      .url({ protocol: /^https?$/ })
      .register(notes, { expected: 'an http or https URL' })
      .default('https://api.tushare.pro'),
  })
  .superRefine(checkTogether, {
    // Together with the problems of single variables: a person wants to see all of them at once.
    when: () => true,
  })

type Environment = z.output<typeof environment>

/** Wrong variables are still what was given, so that comparing with them finds nothing. */
function checkTogether(env: Environment, context: z.RefinementCtx): void {
  const refuse = (variable: keyof Environment, expected: string) =>
    context.addIssue({ code: 'custom', path: [variable], message: expected })

  const { TASK_HEARTBEAT_INTERVAL_MS: beatMs, TASK_POLL_INTERVAL_MS: pollMs } = env
  if (env.TASK_LEASE_MS < 3 * beatMs) {
    refuse('TASK_LEASE_MS', `at least 3 × TASK_HEARTBEAT_INTERVAL_MS, which is ${beatMs}`)
  }
  if ((env.TASK_IDLE_POLL_INTERVAL_MS ?? pollMs) < pollMs) {
    refuse('TASK_IDLE_POLL_INTERVAL_MS', `at least TASK_POLL_INTERVAL_MS, which is ${pollMs}`)
  }
  if (env.DATABASE_DIRECT_URL !== undefined && env.DATABASE_URL === undefined) {
    refuse('DATABASE_DIRECT_URL', 'DATABASE_URL to be set as well')
  }
  if (env.NODE_ENV === 'production' && env.AUTH_SECRET === undefined) {
    refuse('AUTH_SECRET', 'at least 32 characters, because NODE_ENV is production')
  }
  const { MARKET_SOURCE: source } = env
  if (source === 'files' && env.MARKET_FILES_DIR === undefined)
    refuse('MARKET_FILES_DIR', 'the folder of the CSV files, because MARKET_SOURCE is files')
  if (source === 'tushare' && env.TUSHARE_TOKEN === undefined)
    refuse('TUSHARE_TOKEN', 'the token of a Tushare account, because MARKET_SOURCE is tushare')
}

/** Takes the secrets out of the environment, which handlers, threads and child processes can read. */
export function readConfig(): Config {
  const config = parseConfig(process.env)
  for (const name of Object.keys(environment.shape)) {
    if (describeVariable(name).secret) delete process.env[name]
  }
  return config
}

/**
 * An empty value counts as absent, as in a line `NAME=` of an env file.
 * @throws ConfigError
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = environment.safeParse(given)
  if (!parsed.success) throw new ConfigError(listProblems(parsed.error, given))
  return deepFreeze(toConfig(parsed.data))
}

function toConfig(env: Environment) {
  return {
    production: env.NODE_ENV === 'production',
    http: {
      host: env.HOST,
      port: env.PORT,
      /** Undefined: any host, over HTTP or HTTPS. */
      publicUrl: env.PUBLIC_URL,
      /** Fastify's `trustProxy`: all, none, a number of hops, or addresses separated by commas. */
      trustProxy: env.TRUST_PROXY,
      docs: env.DOCS ?? env.NODE_ENV !== 'production',
      metricsToken: env.METRICS_TOKEN,
      requestsPerMinute: env.REQUESTS_PER_MINUTE,
    },
    log: { level: env.LOG_LEVEL },
    database: {
      /** Undefined: the embedded PostgreSQL. */
      url: env.DATABASE_URL,
      /** For LISTEN and migrations: leads round PgBouncer where `url` leads through it. */
      directUrl: env.DATABASE_DIRECT_URL ?? env.DATABASE_URL,
      poolMax: env.DATABASE_POOL_MAX,
      prepared: env.DATABASE_PREPARED,
    },
    tasks: toTaskSettings(env),
    auth: {
      /** Undefined outside production only: the server makes one and keeps it. */
      secret: env.AUTH_SECRET,
      sessionTtlHours: env.SESSION_TTL_HOURS,
      sessionIdleMinutes: env.SESSION_IDLE_MINUTES,
      adminUsername: env.ADMIN_USERNAME,
      /** Undefined: generated at the first boot. */
      adminPassword: env.ADMIN_PASSWORD,
    },
    market: toMarketConfig(env),
  }
}

function toTaskSettings(env: Environment): TaskSettings {
  // The settings that have no variable keep their defaults.
  return taskSettings.parse({
    concurrency: env.TASK_CONCURRENCY,
    pollIntervalMs: env.TASK_POLL_INTERVAL_MS,
    idlePollIntervalMs: env.TASK_IDLE_POLL_INTERVAL_MS,
    timeoutSeconds: env.TASK_TIMEOUT_SECONDS,
    maxRetries: env.TASK_MAX_RETRIES,
    retryBaseMs: env.TASK_RETRY_BASE_MS,
    heartbeatIntervalMs: env.TASK_HEARTBEAT_INTERVAL_MS,
    leaseMs: env.TASK_LEASE_MS,
    cancelGraceMs: env.TASK_CANCEL_GRACE_MS,
    unknownTypeGraceSeconds: env.TASK_UNKNOWN_TYPE_GRACE_SECONDS,
    retentionDays: env.TASK_RETENTION_DAYS,
    auditRetentionDays: env.TASK_AUDIT_RETENTION_DAYS,
    maxLogLines: env.TASK_MAX_LOG_LINES,
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
  })
}

function toMarketConfig(env: Environment): MarketConfig {
  switch (env.MARKET_SOURCE) {
    case 'sample':
      return { source: 'sample' }
    // Both were checked together with MARKET_SOURCE.
    case 'files':
      return { source: 'files', filesDir: env.MARKET_FILES_DIR ?? '' }
    case 'tushare':
      return { source: 'tushare', token: env.TUSHARE_TOKEN ?? '', url: env.TUSHARE_URL }
  }
}

function listProblems(error: z.ZodError, given: Record<string, string | undefined>): ConfigProblem[] {
  const problems = new Map<string, ConfigProblem>()
  for (const issue of error.issues) {
    const variable = String(issue.path[0])
    // One regular expression and one limit may both fail: the sentence about the variable covers both.
    if (problems.has(variable)) continue
    const { expected, secret: isSecret } = describeVariable(variable)
    const value = isSecret ? undefined : hideCredentials(given[variable])
    problems.set(variable, {
      variable,
      ...(value === undefined ? {} : { value }),
      expected: issue.code === 'custom' ? issue.message : expected,
    })
  }
  return [...problems.values()]
}

/** A URL may hold a password although none is expected there. */
function hideCredentials(value: string | undefined): string | undefined {
  return value?.replaceAll(/\/\/[^/\s]*@/g, '//…@')
}

function describeVariable(name: string): { expected: string; secret?: boolean } {
  const schema: z.ZodType = environment.shape[name as keyof Environment]
  const inner = schema instanceof z.ZodDefault || schema instanceof z.ZodOptional ? schema.unwrap() : schema
  return notes.get(inner as z.ZodType) ?? { expected: 'another value' }
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part)
  return Object.freeze(value)
}
