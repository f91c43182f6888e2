import type pg from 'pg'
import { entriesValue, type NewAuditEntry, RECORD } from '../../engine/store/audit.ts'

/** An entry of the audit about accounts. Subjects are users' names; passwords are in none. */
export type AccountEvent = NewAuditEntry

/** With the client of a transaction: if and only if that commits. */
export async function recordEvents(
  db: pg.Pool | pg.PoolClient,
  ...events: readonly AccountEvent[]
): Promise<void> {
  if (events.length > 0) await db.query(RECORD.text, [entriesValue(events)])
}
