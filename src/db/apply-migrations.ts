import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import type { EngineSchema } from './engine-schema.ts'
import { codeOf, DEADLOCK, LOCK_NOT_AVAILABLE, reason } from './errors.ts'
import type { Migration, MigrationHistory } from './migrations.ts'
import { Notices, type OnNotice } from './notices.ts'
import { ENGINE_TYPES } from './reading.ts'
import { describeHolders, findHolders, findTableLocks, takeTableLocks } from './table-locks.ts'

/** One history in one database. */
export interface Target<Client = pg.Client> {
  readonly client: Client
  readonly history: MigrationHistory
  readonly schema: EngineSchema
  /** Qualified. */
  readonly journal: string
}

interface ApplyOptions {
  readonly hasSchema: boolean
  readonly onNotice: OnNotice
  readonly lockWaitMs: number
  readonly signal: AbortSignal
}

/** Each in a transaction of its own, so that it holds no lock while the next one waits for its own. */
export async function applyMigrations(
  target: Target,
  missing: readonly Migration[],
  options: ApplyOptions,
): Promise<void> {
  let preparation = await findPreparation(target, options.hasSchema)
  const applied: string[] = []
  for (const migration of missing) {
    try {
      await applyOne(target, migration, preparation, options)
    } catch (error) {
      const before = applied.length > 0 ? `. Applied before it: ${applied.join(', ')}` : ''
      throw failure(
        `the migration ${target.history}/${migration.name} failed: ${reason(error)}${before}`,
        error,
      )
    }
    applied.push(migration.name)
    preparation = []
  }
}

/** What the schema and the journal lack. */
async function findPreparation({ client, schema, journal }: Target, hasSchema: boolean): Promise<string[]> {
  const { rows } = await client.query<{ isComplete: boolean }>({
    text: `select exists (select from pg_attribute where attrelid = to_regclass($1) and attname = 'oldest_version') as "isComplete"`,
    values: [journal],
    types: ENGINE_TYPES,
  })
  if (rows[0]?.isComplete) return []
  return [
    // Not for one that exists: it would need the privilege all the same.
    ...(hasSchema ? [] : [`create schema if not exists ${schema.quoted}`]),
    `create table if not exists ${journal} (id serial primary key, hash text not null, created_at bigint)`,
    `alter table ${journal} add column if not exists oldest_version text`,
  ]
}

/** A wait for the first lock delays the sessions that queue behind it: short ones come first. */
const lockWaitOf = (attempt: number) => Math.min(500 * 2 ** Math.floor((attempt - 1) / 4), 2_000)

async function applyOne(
  target: Target,
  migration: Migration,
  preparation: readonly string[],
  { onNotice, lockWaitMs, signal }: ApplyOptions,
): Promise<void> {
  const { client, journal, schema } = target
  const record = `insert into ${journal} (hash, created_at, oldest_version) values ($1, $2, $3)`
  const statements = [...preparation, ...migration.sql]
  const locks = await findTableLocks(client, schema, statements)
  const notices = new Notices(onNotice)
  const work = async () => {
    for (const statement of statements) await client.query(statement)
    await client.query(record, [migration.hash, migration.folderMillis, migration.oldestVersion])
  }
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted()
    const waitMs = lockWaitOf(attempt)
    try {
      await client.query('begin isolation level read committed')
      await takeTableLocks(client, rotate(locks, attempt - 1), waitMs)
      await new Notices(onNotice).during(`applying the migration ${migration.name}`, work)
      await client.query('commit')
      return
    } catch (error) {
      if (!isLockWait(error)) throw error
    }
    await client.query('rollback')
    // At least as long as others may have waited for it.
    const pauseMs = waitMs * (1 + Math.random())
    const isLast = notices.elapsedMs + pauseMs > lockWaitMs
    if (isLast || notices.isDue()) {
      const held = describeHolders(await findHolders(client, locks), locks)
      const wait = `waited ${notices.elapsed} (attempt ${attempt}) for a lock on ${held}`
      if (isLast) throw new Error(`it ${wait}. End what holds it, or migrate later`)
      notices.give(`the migration ${migration.name} has ${wait}`)
    }
    await delay(pauseMs, undefined, { signal })
  }
}

/** Another table's lock comes first: only that one is waited for long. */
function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

function isLockWait(error: unknown): boolean {
  const code = codeOf(error)
  return code === LOCK_NOT_AVAILABLE || code === DEADLOCK
}

export function failure(message: string, cause?: unknown): TaskError {
  return new TaskError('MIGRATION_FAILED', message, { cause })
}
