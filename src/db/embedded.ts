import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { asOwner, type Cluster, prepareCluster, stopLeftover } from './embedded-cluster.ts'
import { EmbeddedPostgresError } from './embedded-error.ts'
import { type EmbeddedHome, prepareHome } from './embedded-home.ts'

/**
 * A PostgreSQL server for a machine without one. It has its own session, so that Ctrl-C reaches the application alone,
 * which drains first. Its parent is a guard, a shell script that stops PostgreSQL when a pipe from us closes, by
 * `stop()` or because this process died: no process is left, even after `kill -9`.
 */
export interface EmbeddedPostgres {
  readonly url: string
  /** Resolves when PostgreSQL has ended for any reason. */
  readonly ended: Promise<void>
  /** Cuts open connections. Resolves when no process is left. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** Folder of data and log; created if missing. */
  dataDir: string
  /** False risks data at a power cut, for speed in tests. Default true. */
  durable?: boolean
  /** Called with notes for a person, such as data that are outside `dataDir`. */
  onNotice?: (message: string) => void
}

/**
 * Is PostgreSQL's parent, so it learns of its end, and its pid cannot be reused. Stops it when the pipe closes; a
 * shutdown that hangs becomes an immediate one. The watcher ends its own `sleep`, so that no orphan is left.
 */
const GUARD = `
exec 3<&0
"$@" 3<&- </dev/null &
postmaster=$!
(
  read -r _ <&3
  sleep 20 & pause=$!
  trap 'kill $pause; wait $pause; exit' TERM
  kill -INT $postmaster
  wait $pause
  kill -QUIT $postmaster
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $postmaster
code=$?
kill $watcher
wait $watcher
exit $code
`

/** Includes crash recovery. */
const START_DEADLINE_MS = 120_000
const STOP_DEADLINE_MS = 40_000

/** Starts PostgreSQL on `dataDir`. The caller must be the only one (ServerLock). */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const durable = options.durable ?? true
  mkdirSync(options.dataDir, { recursive: true })
  const dataDir = realpathSync(options.dataDir)
  const home = prepareHome(dataDir, options.onNotice)
  if (home.moved) {
    options.onNotice?.(
      `the user postgres cannot reach ${dataDir}: the embedded PostgreSQL lives in ${home.directory}`,
    )
  }
  const cluster = prepareCluster(home, { durable })
  await stopLeftover(cluster.dataPath)

  const log = path.join(dataDir, 'postgres.log')
  for (let triesLeft = 3; ; triesLeft--) {
    const server = launch(home, cluster, { port: await findFreePort(), log, durable })
    try {
      await waitUntilReady(server)
      return server
    } catch (error) {
      await server.stop()
      const tail = readTail(log)
      // Another program took the port meanwhile.
      if (triesLeft > 1 && tail.includes('Address already in use')) continue
      throw new EmbeddedPostgresError(`the embedded PostgreSQL did not start; the end of ${log}:\n${tail}`, {
        cause: error,
      })
    }
  }
}

function launch(
  home: EmbeddedHome,
  cluster: Cluster,
  { port, log, durable }: { port: number; log: string; durable: boolean },
): EmbeddedPostgres {
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    ...(durable
      ? []
      : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=300']),
  ]
  const command = [path.join(home.binaries, 'bin/postgres'), '-D', cluster.dataPath]
  const logFile = openSync(log, 'w', 0o600)
  const guard = spawn(
    '/bin/sh',
    ['-c', GUARD, 'guard', ...command, ...settings.flatMap((setting) => ['-c', setting])],
    { ...asOwner(home.owner), detached: true, stdio: ['pipe', logFile, logFile] },
  )
  closeSync(logFile)
  // A broken pipe means that the guard has ended; `ended` resolves.
  guard.stdin?.on('error', () => {})
  const ended = once(guard, 'exit').then(() => {})
  return {
    url: `postgres://postgres:${cluster.password}@127.0.0.1:${port}/postgres`,
    ended,
    stop: () => stop(guard, ended),
  }
}

async function stop(guard: ChildProcess, ended: Promise<void>): Promise<void> {
  guard.stdin?.end()
  const tooLate = AbortSignal.timeout(STOP_DEADLINE_MS)
  await Promise.race([ended, once(tooLate, 'abort')])
  if (tooLate.aborted) {
    throw new EmbeddedPostgresError(`the embedded PostgreSQL has not stopped after ${STOP_DEADLINE_MS} ms`)
  }
}

async function waitUntilReady(server: EmbeddedPostgres): Promise<void> {
  let hasEnded = false
  void server.ended.then(() => {
    hasEnded = true
  })
  const deadline = Date.now() + START_DEADLINE_MS
  for (;;) {
    try {
      const client = new pg.Client({ connectionString: server.url, connectionTimeoutMillis: 5_000 })
      // A failed connection rejects, too.
      client.on('error', () => {})
      await client.connect()
      await client.end()
      return
    } catch (error) {
      // Not listening yet, or still recovering (57P03).
      const { code } = error as { code?: string }
      const isStarting = code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === '57P03'
      if (hasEnded || !isStarting || Date.now() > deadline) throw error
      await delay(25)
    }
  }
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

function readTail(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-20).join('\n')
}
