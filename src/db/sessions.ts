import { instant } from './reading.ts'

/** A session that holds what a migration waits for. */
export interface Session {
  /** Null: a prepared transaction has no session. */
  readonly pid: number | null
  readonly application: string | null
  readonly address: string | null
  /** Null for a session of another role, unless this one may read all statistics. */
  readonly state: string | null
  readonly since: Date | null
}

/** The columns, from a row `a` of `pg_stat_activity`. */
export const SESSION = `a.application_name as application, host(a.client_addr) as address, a.state,
       ${instant('coalesce(a.xact_start, a.backend_start)')} as since`

const MAX_DESCRIBED = 3

export function describeSessions(sessions: readonly Session[]): string {
  if (sessions.length === 0) return 'a session that has just ended'
  const words = sessions.slice(0, MAX_DESCRIBED).map(describe)
  if (sessions.length > MAX_DESCRIBED) words.push(`${sessions.length - MAX_DESCRIBED} others`)
  return words.join(', ')
}

function describe({ pid, application, address, state, since }: Session): string {
  if (pid === null) return 'a prepared transaction (see pg_prepared_xacts)'
  const from = address === null ? '' : ` from ${address}`
  const doing = state === null ? '' : `, ${state}`
  const at = since === null ? '' : ` since ${since.toISOString()}`
  return `PostgreSQL session ${pid} (${application || 'unnamed'}${from}${doing})${at}`
}
