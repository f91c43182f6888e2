import { readdirSync, readFileSync } from 'node:fs'
import type { Pool } from './server.ts'

/** Of `/proc`, on every architecture. */
const TICKS_PER_SECOND = 100

interface ProcessTimes {
  readonly name: string
  readonly parent: number
  readonly own: number
  /** Of ended children. */
  readonly children: number
}

/**
 * Returns a function that reads the CPU seconds of all processes of the server, ended ones included. Undefined where the
 * server does not run on this machine, or the machine has no `/proc`.
 */
export async function findServerCpu(admin: Pool): Promise<(() => number) | undefined> {
  const { rows } = await admin.query<{ pid: number }>('select pg_backend_pid() as pid')
  const backend = readTimes(rows[0]?.pid ?? 0)
  if (backend?.name !== 'postgres') return undefined
  return () => readTreeSeconds(backend.parent)
}

function readTreeSeconds(postmaster: number): number {
  const root = readTimes(postmaster)
  const children = readdirSync('/proc')
    .flatMap((name) => readTimes(Number(name)) ?? [])
    .filter(({ parent }) => parent === postmaster)
  const ticks = children.reduce((sum, { own }) => sum + own, (root?.own ?? 0) + (root?.children ?? 0))
  return ticks / TICKS_PER_SECOND
}

/** Undefined: there is no such process. */
function readTimes(pid: number): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may contain any character.
    const [open, close] = [text.indexOf('('), text.lastIndexOf(')')]
    const fields = text.slice(close + 2).split(' ')
    const [, parent = 0] = fields.map(Number)
    const [user = 0, system = 0, userOfChildren = 0, systemOfChildren = 0] = fields.slice(11, 15).map(Number)
    const children = userOfChildren + systemOfChildren
    return { name: text.slice(open + 1, close), parent, own: user + system, children }
  } catch {
    return undefined
  }
}
