import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import { FirstPassword } from './accounts/first-password.ts'
import { buildApp } from './app.ts'
import { buildDashboardIfStale } from './cli/build-dashboard.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { EmbeddedPostgresError } from './db/embedded-error.ts'
import { codeOf } from './db/errors.ts'
import { provideDatabase } from './db/provide.ts'
import { ServerRunningError } from './db/server-lock.ts'
import { TaskError } from './engine/definition/errors.ts'
import { isInstance } from './engine/definition/thrown.ts'
import { described } from './telemetry/described.ts'
import { measureProcess } from './telemetry/metrics.ts'
import { watchStrayErrors } from './telemetry/stray-errors.ts'
import { formatForTerminal } from './telemetry/terminal.ts'

/**
 * The bundled server's process. What it starts (database, app) goes on a stack and is ended in reverse, so
 * that handlers drain while the database is still there. A signal, a failed start and an uncaught exception
 * all end it in the same way; only the exit code differs.
 */

/** Secrets and the embedded database; relative to the code, so that it does not matter where one starts it. */
const dataDir = fileURLToPath(new URL('../.data', import.meta.url))

/** A terminal's Ctrl-C reaches the server itself and once more through npm. */
const SAME_SIGNAL_MS = 300

/** What may follow the app's own time for stopping: PostgreSQL writes its last checkpoint. */
const STOP_MARGIN_MS = 5_000

class ServerProcess {
  readonly #config: Config
  readonly #stream: DestinationStream
  readonly #log: Logger
  readonly #resources = new AsyncDisposableStack()
  readonly #stopping = new AbortController()
  #booted: Promise<void> = Promise.resolve()
  #app: FastifyInstance | undefined
  #exitCode = 0

  constructor(config: Config) {
    this.#config = config
    // Written at once, not by a worker: the last lines before an exit are the ones that matter.
    this.#stream = process.stdout.isTTY
      ? pretty({
          sync: true,
          singleLine: true,
          ignore: 'pid,hostname',
          messageFormat: (line, key) => formatForTerminal(line[key]),
        })
      : destination(1)
    this.#log = pino({ level: config.log.level }, this.#stream)
  }

  start(): void {
    this.#listenForSignals()
    measureProcess()
    watchStrayErrors({
      log: this.#log,
      logToTask: async ({ taskId }, message) => this.#app?.tasks.logMessage(taskId, 'ERROR', message),
      onFatal: (error, event) => this.#fail(error, event),
    })
    this.#booted = this.#boot()
    this.#booted.catch((error: unknown) => this.#fail(error, 'the server did not start'))
  }

  async #boot(): Promise<void> {
    const { signal } = this.#stopping
    const pageBuilt = buildDashboardIfStale(this.#log)
    const database = await provideDatabase({
      ...this.#config.database,
      dataDir,
      onNotice: (message) => this.#log.info(message),
    })
    this.#resources.defer(() => database.stop())
    void database.ended.then(() => {
      if (!signal.aborted)
        this.#fail(new EmbeddedPostgresError('the embedded PostgreSQL has ended'), 'stopping')
    })
    await pageBuilt
    signal.throwIfAborted()
    const firstPassword = new FirstPassword(path.join(dataDir, 'admin-password'))
    const app = await buildApp(this.#config, {
      databaseUrl: database.url,
      authSecret: this.#config.auth.secret ?? keepAuthSecret(),
      firstPassword,
      logger: { level: this.#config.log.level, stream: this.#stream },
      signal,
    })
    this.#app = app
    this.#resources.defer(() => app.close())
    this.#tellPassword(app, firstPassword)
    signal.throwIfAborted()
    const { host, port, docs } = this.#config.http
    const listenTextResolver = (address: string) =>
      `listening at ${address}, admin page at ${address}/admin/${docs ? `, docs at ${address}/docs` : ''}`
    const address = await app.listen({ host, port, listenTextResolver })
    // Otherwise the app has logged each address.
    if (!this.#log.isLevelEnabled('info')) this.#print(listenTextResolver(address))
  }

  /** Prints what the person who started it has to know, at any log level. */
  #print(message: string): void {
    this.#log.child({}, { level: 'info' }).info(message)
  }

  /** Before anything else can fail: it is not shown a second time. */
  #tellPassword({ firstBootPassword: password }: FastifyInstance, firstPassword: FirstPassword): void {
    if (password === undefined) return
    const { file } = firstPassword
    const logIn = `first boot: log in as "${this.#config.auth.adminUsername}" with the password`
    try {
      firstPassword.keep(password)
    } catch (error) {
      // Without a file that can be written, the log is the only place left.
      this.#print(`${logIn} ${password}, which could not be kept in ${file} (${codeOf(error)}); change it`)
      return
    }
    // A terminal is read by the person who started the server; logs are collected and kept.
    if (process.stdout.isTTY) this.#print(`${logIn} ${password}, kept in ${file} until you change it`)
    else this.#print(`${logIn} in ${file}, which is removed when you change it`)
  }

  #listenForSignals(): void {
    let first: { signal: NodeJS.Signals; at: number } | undefined
    const onSignal = (signal: NodeJS.Signals) => {
      const now = performance.now()
      if (first === undefined) {
        first = { signal, at: now }
        this.#log.info(`${signal}: stopping`)
        void this.#stop(0)
      } else if (signal !== first.signal || now - first.at > SAME_SIGNAL_MS) {
        // The embedded PostgreSQL is ended by its guard.
        this.#log.warn(`${signal} again: ending at once`)
        process.exit(1)
      }
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  }

  #fail(error: unknown, event: string): void {
    // A start that was cut short by a stop has not failed.
    if (this.#stopping.signal.aborted && error === this.#stopping.signal.reason) return
    // A process that ends logs why, at any log level.
    const log = this.#log.child({}, { level: 'fatal' })
    if (isForPeople(error)) log.fatal(error.message)
    else log.fatal(described(error), event)
    void this.#stop(1)
  }

  /** Ends everything, in order, and the process. A later call can only make the exit code worse. */
  async #stop(exitCode: number): Promise<void> {
    this.#exitCode = Math.max(this.#exitCode, exitCode)
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort()
    const deadlineMs = this.#config.tasks.shutdownTimeoutMs + STOP_MARGIN_MS
    setTimeout(() => {
      this.#log.fatal(`not stopped after ${deadlineMs} ms: ending at once`)
      process.exit(1)
    }, deadlineMs)

    // What is being started has to be there before it can be stopped; a failure has been reported.
    await this.#booted.catch(() => {})
    try {
      await this.#resources.disposeAsync()
    } catch (error) {
      this.#log.fatal(described(error), 'stopping failed')
      this.#exitCode = 1
    }
    process.exit(this.#exitCode)
  }
}

/** Errors whose message names the remedy; a stack would only bury it. */
function isForPeople(error: unknown): error is Error {
  return (
    isInstance(error, ServerRunningError) ||
    isInstance(error, EmbeddedPostgresError) ||
    isInstance(error, ConfigError) ||
    isInstance(error, TaskError) ||
    codeOf(error) === 'EADDRINUSE'
  )
}

/** Made by the first start without AUTH_SECRET, so that sessions outlive a restart. */
function keepAuthSecret(): string {
  const file = path.join(dataDir, 'auth-secret')
  const draft = `${file}.${process.pid}`
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 })
  try {
    // Appears whole or not at all, and only where none is: servers that start together share one.
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  return readFileSync(file, 'utf8').trim()
}

function configure(): Config | undefined {
  try {
    return readConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exitCode = 1
    return undefined
  }
}

const config = configure()
if (config !== undefined) new ServerProcess(config).start()
