import type { AuditEntry, AuditQuery } from '../../contract/audit-views.ts'
import { type Database, execute, query, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import { type AuditedChange, toColumn } from '../definition/actor.ts'
import { type ListPosition, MICROS, Values } from './list-branches.ts'
import { AUDIT } from './tables.ts'

/** An entry to write. */
export interface NewAuditEntry extends AuditedChange {
  readonly outcome: string
}

/** Pages and steps of pruning. */
const PAGE_SIZE = 100
const PRUNE_BATCH = 1_000

const COLUMNS = '(actor_id, actor_name, action, subject, outcome, request_id, address)'

// One parameter for all of it; null: no rows.
const given = (parameter: number) => `json_to_recordset($${parameter}::text::json)
       as given (task_id text, actor_id text, actor_name text, action text, subject text, outcome text, request_id text,
                 address text)`

/**
 * Writes an entry for each row of `changed` in the statement that changes it. `$parameter` comes from `changeValue`, or
 * from `createValue` with a condition.
 */
export const auditCte = (changed: string, subject: string, parameter: number, condition = 'true') =>
  `audited as (
     insert into ${AUDIT} ${COLUMNS}
     select given.actor_id, given.actor_name, given.action, ${subject}, 'ok', given.request_id, given.address
       from ${changed} cross join ${given(parameter)}
      where ${condition}
   )`

/** Null: without an actor, no entry. */
export function changeValue(change: AuditedChange | undefined): string | null {
  return change ? JSON.stringify([toRow(change)]) : null
}

/** Of new tasks, those that have an actor. */
export function createValue(
  tasks: readonly { readonly taskId: string; readonly audit?: AuditedChange | undefined }[],
): string {
  const rows = tasks.flatMap(({ taskId, audit }) => (audit ? [{ task_id: taskId, ...toRow(audit) }] : []))
  return JSON.stringify(rows)
}

function toRow({ actor, action, subject }: AuditedChange) {
  return {
    actor_id: toColumn(actor.id),
    actor_name: toColumn(actor.name),
    action,
    subject: toColumn(subject),
    request_id: toColumn(actor.requestId),
    address: toColumn(actor.address),
  }
}

/** Entries of their own. `$1` comes from `entriesValue`. */
export const RECORD = statement(
  'audit_record',
  `insert into ${AUDIT} ${COLUMNS}
   select actor_id, actor_name, action, subject, outcome, request_id, address
     from ${given(1)}`,
)

export function entriesValue(entries: readonly NewAuditEntry[]): string {
  return JSON.stringify(entries.map((entry) => ({ ...toRow(entry), outcome: toColumn(entry.outcome) })))
}

export async function recordEntries(db: Database, entries: readonly NewAuditEntry[]): Promise<void> {
  if (entries.length > 0) await execute(db, RECORD, [entriesValue(entries)])
}

interface EntryRow extends ListPosition, Omit<AuditEntry, 'actor'> {
  readonly actorId: string | null
  readonly actorName: string | null
}

/** Newest first. */
export async function listEntries(
  db: Database,
  { actor, action, subject, after, before }: Omit<AuditQuery, 'cursor'>,
  from: ListPosition | undefined,
): Promise<{ entries: AuditEntry[]; last: ListPosition | undefined }> {
  const values = new Values()
  const conditions = ['true']
  if (actor !== undefined) conditions.push(`actor_id = ${values.add(actor)}`)
  if (action !== undefined) conditions.push(`action = ${values.add(action)}`)
  if (subject !== undefined) conditions.push(`subject = ${values.add(subject)}`)
  if (after) conditions.push(`at >= ${values.add(after)}::timestamptz`)
  if (before) conditions.push(`at < ${values.add(before)}::timestamptz`)
  if (from) {
    const micros = `${values.add(from.createdAtMicros)}::bigint * interval '1 microsecond'`
    conditions.push(`(at, id) < (timestamptz 'epoch' + ${micros}, ${values.add(from.id)}::bigint)`)
  }
  const rows = await query<EntryRow>(
    db,
    `select ${instant('a.at')} as at, actor_id as "actorId", actor_name as "actorName", action, subject, outcome,
            request_id as "requestId", address, ${MICROS('a.at')}::text as "createdAtMicros", a.id::text as id
       from ${AUDIT} a
      where ${conditions.join(' and ')}
      order by a.at desc, a.id desc
      limit ${PAGE_SIZE + 1}`,
    values.all,
  )
  const shown = rows.slice(0, PAGE_SIZE)
  const entries = shown.map(({ id: _id, createdAtMicros: _micros, actorId, actorName, at, ...entry }) => ({
    at,
    actor: { id: actorId, name: actorName },
    ...entry,
  }))
  return { entries, last: rows.length > PAGE_SIZE ? shown.at(-1) : undefined }
}

const PRUNE = statement(
  'audit_prune',
  `with gone as (
     delete from ${AUDIT}
      where ctid = any(array(
              select ctid from ${AUDIT}
               where at < now() - $1::float8 * interval '1 millisecond'
               order by at, id
               limit ${PRUNE_BATCH}
                 for update skip locked))
     returning 1
   )
   select count(*)::int as count from gone`,
)

/** Deletes the oldest entries; returns whether there may be more of that age. */
export async function pruneEntries(db: Database, olderThanMs: number): Promise<boolean> {
  const [row] = await execute<{ count: number }>(db, PRUNE, [olderThanMs])
  return (row?.count ?? 0) === PRUNE_BATCH
}
