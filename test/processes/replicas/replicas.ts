import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'yaml'

const root = path.resolve(import.meta.dirname, '../../..')
const composeFile = path.join(root, 'deploy/compose.yaml')
const run = promisify(execFile)

/** One of the servers that `deploy/compose.yaml` starts. */
export interface Replica {
  readonly address: string
  /** Whether it is the executor that registered itself so. */
  isExecutor(registered: { readonly host: string; readonly pid: number }): boolean
  /** Ends it with SIGKILL. */
  kill(): Promise<void>
}

export interface Replicas {
  readonly all: readonly Replica[]
  readonly adminPassword: string
  stop(): Promise<void>
}

function createSecrets() {
  return {
    AUTH_SECRET: randomBytes(32).toString('base64'),
    ADMIN_PASSWORD: randomBytes(18).toString('base64'),
  }
}

/** The variables of the service in the Compose file, with these in place of those that it asks for. */
function readEnvironment(given: Readonly<Record<string, string>>): Record<string, string> {
  const { environment } = parse(readFileSync(composeFile, 'utf8')).services.server
  const entries = Object.entries<string | number>(environment)
  return Object.fromEntries(entries.map(([name, value]) => [name, given[name] ?? String(value)]))
}

/** Processes of this machine, on this database, with the environment of the Compose file and these variables. */
export async function startProcesses(
  databaseUrl: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Replicas> {
  const secrets = createSecrets()
  const { PATH = '', HOME = '' } = process.env
  const env = {
    ...{ PATH, HOME, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: '0' },
    ...readEnvironment({ ...secrets, DATABASE_URL: databaseUrl }),
    ...variables,
  }
  const servers: ChildProcess[] = []
  const end = async (server: ChildProcess, signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill(signal)
    await ended
  }
  const start = async (): Promise<Replica> => {
    const args = ['--max-semi-space-size=16', 'src/server.ts']
    const server = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    servers.push(server)
    return {
      address: await addressOf(server),
      isExecutor: ({ pid }) => pid === server.pid,
      kill: () => end(server, 'SIGKILL'),
    }
  }
  const stop = async () => void (await Promise.all(servers.map((server) => end(server, 'SIGTERM'))))
  try {
    return { all: await Promise.all([start(), start()]), adminPassword: secrets.ADMIN_PASSWORD, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Where it says that it listens; what it says is read on, so that it never waits for a reader. */
function addressOf(server: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let said = ''
  server.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-100_000)
    const [, address] = /listening at (http:\/\/[\d.:]+)/.exec(said) ?? []
    if (address !== undefined) resolve(address)
  })
  server.once('exit', () => reject(new Error(`a server ended before it listened:\n${said}`)))
  return promise
}

/** Containers, as the Compose file says: PostgreSQL and two of the image that it builds. */
export async function startContainers(): Promise<Replicas> {
  const secrets = createSecrets()
  const env = { ...process.env, ...secrets }
  const docker = async (...args: string[]) =>
    (await run('docker', args, { env, maxBuffer: 2 ** 26 })).stdout.trim()
  const compose = (...args: string[]) => docker('compose', '--file', composeFile, ...args)
  const stop = async () => void (await compose('down', '--volumes'))
  try {
    await compose('up', '--build', '--detach', '--wait')
    const ids = (await compose('ps', '--quiet', 'server')).split('\n')
    const toReplica = async (id: string): Promise<Replica> => {
      const [bound = ''] = (await docker('port', id, '3000/tcp')).split('\n')
      const hostname = await docker('inspect', '--format', '{{.Config.Hostname}}', id)
      return {
        address: `http://127.0.0.1:${bound.split(':').at(-1)}`,
        isExecutor: ({ host }) => host === hostname,
        kill: async () => void (await docker('kill', id)),
      }
    }
    return { all: await Promise.all(ids.map(toReplica)), adminPassword: secrets.ADMIN_PASSWORD, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
