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
 * A PostgreSQL server of our own, for a machine that has none.
 *
 * It runs in a session of its own, so that a terminal's Ctrl-C does not reach it: the application drains
 * first, then stops it. Its parent is a guard, a small shell script that waits on a pipe from us: when the
 * pipe closes, by `stop()` or because this process died in whatever way, the guard stops PostgreSQL and
 * ends. No process is left behind, even after `kill -9`.
 */
export interface EmbeddedPostgres {
  readonly url: string
  /** Resolves when PostgreSQL has ended, asked to or not. */
  readonly ended: Promise<void>
  /** Shuts PostgreSQL down; open connections are cut. Resolves when no process is left. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** Folder that holds data and log; made when absent. */
  dataDir: string
  /** False gives up safety from power cuts for speed: for tests. Default true. */
  durable?: boolean
  /** Hears what a person should know, such as data that live outside `dataDir`. */
  onNotice?: (message: string) => void
}

/**
 * Job: be PostgreSQL's parent and stop it when the pipe closes. Being the parent, it knows when PostgreSQL has
 * ended (`wait`), and the pid it signals cannot have become another process's. A shutdown that hangs becomes
 * an immediate one, from which PostgreSQL recovers at its next start. The watcher ends its own `sleep`, so
 * that no orphan is left for an init that does not reap.
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

/** Crash recovery after a power cut comes before the first connection. */
const START_DEADLINE_MS = 120_000
const STOP_DEADLINE_MS = 40_000

/** Starts PostgreSQL on the data in `dataDir`; whoever calls this makes sure to be the only one (ServerLock). */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const durable = options.durable ?? true
  mkdirSync(options.dataDir, { recursive: true })
  const dataDir = realpathSync(options.dataDir)
  const home = prepareHome(dataDir)
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
      // Another program took the port between our look and PostgreSQL's start.
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
  // A broken pipe means that the guard has ended, which `ended` tells.
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
      // A connection that breaks while it is made rejects; the event adds nothing.
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
