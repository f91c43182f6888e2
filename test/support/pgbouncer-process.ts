import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { asOwner } from '../../src/db/embedded-cluster.ts'
import { prepareHome } from '../../src/db/embedded-home.ts'
import { findFreePort } from '../processes/chaos/postgres-server.ts'

const asked = spawnSync('pgbouncer', ['--version'], { encoding: 'utf8' })

export const HAS_PGBOUNCER = asked.status === 0

export interface PgBouncer {
  /** As it names itself. */
  readonly version: string
  /** The database's address, through PgBouncer. */
  urlOf(databaseUrl: string): string
  stop(): Promise<void>
}

/**
 * PgBouncer before a server, in transaction mode by default: a session's state is gone after each transaction.
 *
 * @throws Error when it is not installed (Debian: `apt-get install pgbouncer`) or does not start
 */
export async function startPgBouncer(serverUrl: string, poolMode = 'transaction'): Promise<PgBouncer> {
  if (!HAS_PGBOUNCER) throw new Error('PgBouncer is not installed')
  const target = new URL(serverUrl)
  const folder = mkdtempSync(path.join(tmpdir(), 'chaos-pgbouncer-'))
  // As root it runs as the user postgres, who has to read its files.
  chmodSync(folder, 0o755)
  const { owner } = prepareHome(folder)
  const port = await findFreePort()
  const file = (name: string, text: string) => {
    const target = path.join(folder, name)
    writeFileSync(target, text)
    return target
  }
  const users = file('users.txt', `"${target.username}" "${decodeURIComponent(target.password)}"\n`)
  const settings = file(
    'pgbouncer.ini',
    `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = ${poolMode}
default_pool_size = 10
`,
  )
  const child = spawn('pgbouncer', [settings], {
    ...asOwner(owner),
    env: process.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  const isUp = Promise.withResolvers<void>()
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
    if (said.includes('process up')) isUp.resolve()
  })
  const exited = once(child, 'exit')
  exited.then(
    () => isUp.reject(new Error(`PgBouncer did not start: ${said}`)),
    (error: unknown) => isUp.reject(error),
  )
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true })
  }
  try {
    await isUp.promise
  } catch (error) {
    await stop()
    throw error
  }
  return {
    version: asked.stdout.split('\n')[0] ?? '',
    urlOf(databaseUrl) {
      const url = new URL(databaseUrl)
      url.hostname = '127.0.0.1'
      url.port = String(port)
      return url.href
    },
    stop,
  }
}
