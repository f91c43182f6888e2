import type { FastifyRequest } from 'fastify'
import type pg from 'pg'
import type { Actor } from '../engine/definition/actor.ts'
import { entriesValue, type NewAuditEntry, RECORD } from '../engine/store/audit.ts'
import type { User } from './user.ts'

/**
 * Writes what happens to accounts into the audit: with a client of a transaction, if and only if that commits. Subjects
 * are users' names, never passwords.
 */
export async function recordEvents(
  db: pg.Pool | pg.PoolClient,
  ...events: readonly NewAuditEntry[]
): Promise<void> {
  await db.query(RECORD.text, [entriesValue(events)])
}

/** Without a user: somebody who has not logged in. */
export function actorOf(request: FastifyRequest, user?: Pick<User, 'id' | 'username'>): Actor {
  return {
    id: user?.id ?? null,
    name: user?.username ?? null,
    requestId: request.id,
    address: request.ip,
  }
}
