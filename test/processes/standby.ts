import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { asOwner, prepareCluster } from '../../src/db/embedded-cluster.ts'
import { prepareHome } from '../../src/db/embedded-home.ts'
import { migrate } from '../../src/db/migrate.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { findFreePort } from './chaos/postgres-server.ts'

export interface ReplicatedServer {
  /** Leads to whichever server is the primary. */
  readonly url: string
  /** The standby receives nothing for a while; then the primary is killed, and the standby takes its place. */
  failOver(lostMs: number): Promise<void>
  remove(): Promise<void>
}

const SETTINGS =
  '-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=60'

/** A primary with the engine's tables and a standby that follows it by asynchronous streaming replication. */
export async function startReplicated(): Promise<ReplicatedServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'standby-postgres-'))
  chmodSync(folder, 0o755)
  const home = prepareHome(folder)
  const { dataPath: primary, password } = prepareCluster(home, { durable: false })
  const standby = `${primary}-standby`
  const ports = { [primary]: await findFreePort(), [standby]: await findFreePort() }
  const control = async (dataPath: string, ...args: string[]) => {
    const program = path.join(home.binaries, 'bin/pg_ctl')
    const given = [...args, '-w', '-s', '-D', dataPath, '-l', path.join(dataPath, 'log')]
    const child = spawn(program, given, { ...asOwner(home.owner), stdio: 'ignore' })
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`pg_ctl ${args[0]} ended with ${code}; see ${dataPath}/log`)
  }
  const start = (dataPath: string) =>
    control(dataPath, 'start', '-o', `${SETTINGS} -c port=${ports[dataPath]}`)
  const urlOf = (port: number | undefined) => `postgres://postgres:${password}@127.0.0.1:${port}/postgres`

  await start(primary)
  await migrate(urlOf(ports[primary]), 'tasks', { mode: 'auto' })
  await control(primary, 'stop', '-m', 'fast')
  // A copy of a stopped cluster is a base backup; the embedded binaries have no other.
  const copied = spawnSync('cp', ['-a', primary, standby])
  if (copied.status !== 0) throw new Error(String(copied.stderr))
  await start(primary)
  const replication = await startFaultProxy(urlOf(ports[primary]))
  const source = `host=127.0.0.1 port=${new URL(replication.url).port} user=postgres password=${password}`
  appendFileSync(path.join(standby, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`)
  writeFileSync(path.join(standby, 'standby.signal'), '')
  await start(standby)
  const clients = await startSwitch(ports[primary])
  let running = [primary, standby]

  return {
    url: urlOf(clients.port),
    async failOver(lostMs) {
      replication.set('silence')
      await delay(lostMs)
      clients.setTarget(undefined)
      process.kill(
        Number(readFileSync(path.join(primary, 'postmaster.pid'), 'utf8').split('\n')[0]),
        'SIGKILL',
      )
      running = [standby]
      await control(standby, 'promote')
      clients.setTarget(ports[standby])
    },
    async remove() {
      clients.close()
      await replication.close()
      for (const dataPath of running) await control(dataPath, 'stop', '-m', 'immediate')
      rmSync(folder, { recursive: true })
    },
  }
}

/** Clients connect here; where that leads may change, and then their connections break. */
async function startSwitch(first: number | undefined) {
  let target = first
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    if (target === undefined) return client.resetAndDestroy()
    const upstream = net.connect(target, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as net.AddressInfo).port,
    setTarget(port: number | undefined) {
      target = port
      for (const socket of sockets) socket.destroy()
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
