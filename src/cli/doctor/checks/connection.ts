import { codeOf } from '../../../db/errors.ts'
import { type Illness, illness } from '../illness.ts'
import type { Check } from '../patient.ts'
import {
  allowsTransactions,
  findDeafness,
  keepsPreparedStatements,
  openListener,
} from '../store/connection.ts'
import { countListeners } from '../store/server.ts'

/** @param variable where the connection string stands */
export function connectionFails(error: unknown, variable: string): Illness {
  const code = codeOf(error)
  const message = (error as Error).message || code || 'the server gave no reason'
  return illness(
    'CONNECTION_FAILS',
    `${variable} leads to no database: ${message}`,
    ...remediesFor(message, code),
  )
}

const TLS = /\b(ssl|tls)\b|certificate|no encryption/i

function remediesFor(message: string, code = ''): string[] {
  if (TLS.test(message)) {
    return [
      'correct sslmode and sslrootcert in the connection string: sslmode=require where the server wants TLS, no sslmode where it has none',
      'let the server have a certificate that this machine trusts, and pg_hba.conf allow what it offers',
    ]
  }
  if (code === '42501') return ['grant connect on the database to the role']
  if (code === '55000')
    return ['let the database accept connections: alter database … allow_connections true']
  if (code.startsWith('28')) {
    return [
      'correct user and password in the connection string',
      'let pg_hba.conf allow this role, database and address',
    ]
  }
  if (code === '3D000')
    return ['correct the name of the database in the connection string', 'create the database']
  if (code.startsWith('53')) {
    return [
      'end processes that hold connections, or make their pools smaller',
      'raise max_connections, or the limit of the role or database if it is that one',
    ]
  }
  return [
    'correct host and port in the connection string',
    'start the server, and let its listen_addresses and the firewall allow this machine',
  ]
}

/** Without notifications, tasks of other processes start up to a poll interval later. */
export const checkListen: Check = async ({ directUrl, facts, isPooled, knowsDirect, pool, schema }) => {
  // It can send none, which is the lesser illness.
  if (facts.isStandby) return []
  const opened = await openListener(directUrl).catch((error: unknown) =>
    connectionFails(error, knowsDirect ? 'DATABASE_DIRECT_URL' : 'DATABASE_URL'),
  )
  if ('code' in opened) return [opened]
  const deafness = await findDeafness(opened, pool)
  if (deafness === undefined) return []
  // The processes may know another one.
  if (isPooled && !knowsDirect && (await countListeners(pool, schema.channel)) > 0) return []
  return [
    illness(
      'LISTEN_FAILS',
      `${deafness}: tasks of other processes start up to a poll interval later`,
      'let DATABASE_DIRECT_URL (directConnectionString) lead to the server itself, and to the same database',
    ),
  ]
}

export const checkPooler: Check = async ({ pool, isPooled, prepared }) => {
  if (!isPooled) return []
  if (!(await allowsTransactions(pool))) {
    return [
      illness(
        'POOL_MODE',
        'the pooler is in statement mode and refuses transactions',
        'set pool_mode = transaction for this database in PgBouncer',
      ),
    ]
  }
  if (!prepared || (await keepsPreparedStatements(pool))) return []
  return [
    illness(
      'PREPARED_STATEMENTS_FAIL',
      'the pooler loses prepared statements between transactions',
      'set DATABASE_PREPARED=false (prepared: false) in each process and for this command',
      'set max_prepared_statements in PgBouncer 1.21 or later',
    ),
  ]
}
