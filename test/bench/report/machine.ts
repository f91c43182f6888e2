import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import path from 'node:path'
import { peerVersions } from '../peers.ts'
import type { BenchServer } from '../server.ts'

/** Where and with what a run was made; nothing that names the machine or leads to it. */
export interface Machine {
  readonly date: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly platform: string
  readonly node: string
  readonly postgres: string
  readonly postgresSettings: readonly string[]
  /** Of this project and of the peers, by name. */
  readonly versions: Readonly<Record<string, string>>
}

export function describeMachine(server: BenchServer): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    postgres: server.version,
    postgresSettings: server.settings,
    versions: { 'fastify-async-tasks': ownVersion(), ...peerVersions() },
  }
}

export function describeInWords(machine: Machine): string {
  const { cores, cpu, memoryGiB, node, postgres, date, versions } = machine
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return (
    `${cores} cores (${cpu}), ${memoryGiB} GiB, shared by PostgreSQL and its clients; ` +
    `PostgreSQL ${postgres} with default settings; Node ${node}; ${named.join(', ')}; ${date}`
  )
}

function ownVersion(): string {
  const manifest = readFileSync(path.join(import.meta.dirname, '../../../package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
