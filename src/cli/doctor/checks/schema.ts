import type { EngineSchema } from '../../../db/engine-schema.ts'
import { type ExpectedIndex, expectedIndexes } from '../../../db/expected-indexes.ts'
import { JOURNALS, readSchemaState } from '../../../db/migrate.ts'
import { TaskError } from '../../../engine/definition/errors.ts'
import { ENGINE_TABLES } from '../../../engine/store/tables.ts'
import { migrateCommandFor } from '../../migrate-command.ts'
import { type Illness, illness } from '../illness.ts'
import { type Check, duration, listed, type Patient } from '../patient.ts'
import { findOldestProcess } from '../store/fleet.ts'
import { findSource } from '../store/server.ts'
import { type IndexState, mayUseSchema, readIndexes, readTables, type TableState } from '../store/tables.ts'
import { resetRemedies } from './server.ts'

const TABLES = ENGINE_TABLES.map((name) => name.replace('public.', ''))
const JOURNAL = JOURNALS.tasks

/** Without them, nothing else can be looked at. */
export async function checkTables(patient: Patient): Promise<Illness[]> {
  const { pool, schema } = patient
  const { role } = patient.facts
  if (!(await mayUseSchema(pool, schema))) {
    return [
      illness(
        'GRANTS_MISSING',
        `the role ${role} may not use the schema ${schema.name}`,
        `grant usage on schema ${schema.quoted} to ${role}`,
      ),
    ]
  }
  const tables = await readTables(pool, schema, [...TABLES, JOURNAL])
  if (tables.length === 0) return [notMigrated(patient, 'the tables of the engine')]
  const hidden = tables.filter(({ missingPrivileges }) => missingPrivileges.includes('select'))
  if (hidden.length > 0) return hidden.map((table) => missingGrant(patient, table))
  const isMissing = (name: string) => !tables.some((table) => table.name === name)
  // Without it, migrations would be applied once more, and fail.
  if (isMissing(JOURNAL)) return [tablesMissing(patient, [JOURNAL])]
  const state = await readState(patient)
  if ('code' in state) return [state]
  if (state.length > 0) return [notMigrated(patient, `the migrations ${listed(state)}`)]
  const missing = TABLES.filter(isMissing)
  return missing.length === 0 ? [] : [tablesMissing(patient, missing)]
}

/** A role that may only read can look at all else. */
export const checkGrants: Check = async (patient) =>
  (await readTables(patient.pool, patient.schema, TABLES))
    .filter(({ missingPrivileges }) => missingPrivileges.length > 0)
    .map((table) => missingGrant(patient, table))

function tablesMissing({ schema }: Patient, names: readonly string[]): Illness {
  return illness(
    'TABLES_MISSING',
    `the schema ${schema.name} has been migrated, but lacks the tables ${listed(names)}`,
    'restore them from a backup',
    `if no task is to be kept, drop the schema's tables whose names begin with async_task, and run ${migrateCommandFor(schema)}`,
  )
}

async function readState({ pool, schema }: Patient): Promise<readonly string[] | Illness> {
  try {
    return (await readSchemaState(pool, 'tasks', schema, () => {})).missing
  } catch (error) {
    if (!(error instanceof TaskError)) throw error
    return illness(
      'SCHEMA_TOO_NEW',
      error.message,
      'run the version of fastify-async-tasks that applied the migrations, or a later one, here and in the app',
    )
  }
}

function notMigrated({ schema }: Patient, what: string): Illness {
  const evidence = `the schema ${schema.name} lacks ${what}`
  return illness(
    'SCHEMA_MISSING',
    evidence,
    `run ${migrateCommandFor(schema)}`,
    'name another schema by --schema',
  )
}

function missingGrant({ schema, facts }: Patient, { name, missingPrivileges }: TableState): Illness {
  const privileges = missingPrivileges.join(', ')
  return illness(
    'GRANTS_MISSING',
    `the role ${facts.role} lacks ${privileges} on ${name}`,
    `grant ${privileges} on ${schema.quoted}.${name} to ${facts.role}`,
  )
}

/** Names of what a `reindex concurrently` that failed leaves beside the index itself. */
const LEFT_BY_REINDEX = /_cc(new|old)\d*$/

export const checkIndexes: Check = async ({ pool, schema }) => {
  const found = await readIndexes(pool, schema)
  const invalid = found
    .filter(({ isValid }) => !isValid)
    .map(({ name, qualified }) =>
      illness(
        'INDEX_INVALID',
        `the index ${name} is invalid: queries do not use it, and its uniqueness may not hold`,
        LEFT_BY_REINDEX.test(name)
          ? `drop index concurrently ${qualified}`
          : `reindex index concurrently ${qualified}`,
      ),
    )
  const newer: string[] = []
  await readSchemaState(pool, 'tasks', schema, (text) => newer.push(`indexes: ${text}`))
  // A later version may have dropped one, or built it in another way.
  return [...(newer.length > 0 ? newer : compareIndexes(found, schema)), ...invalid]
}

function compareIndexes(found: readonly IndexState[], schema: EngineSchema): Illness[] {
  const expected = expectedIndexes(schema)
  const names = new Set(found.map(({ name }) => name))
  const missing = [...expected]
    .filter(([name]) => !names.has(name))
    .map(([name, { create }]) => illness('INDEX_MISSING', `the index ${name} does not exist`, create))
  return [...missing, ...found.flatMap((index) => otherIndex(index, expected.get(index.name)))]
}

function otherIndex(found: IndexState, expected: ExpectedIndex | undefined): Illness[] {
  const isSame =
    expected === undefined ||
    (found.columns.join() === expected.columns.join() &&
      found.isUnique === expected.isUnique &&
      found.isPartial === expected.isPartial)
  if (isSame) return []
  return [
    illness(
      'INDEX_MISSING',
      `the index ${found.name} is not the one that the migrations build, and does not serve what that is for`,
      `drop index concurrently ${found.qualified}; ${expected.create}`,
    ),
  ]
}

/** Autovacuum comes once a minute, so so many dead rows are normal. */
const MANY_DEAD_ROWS = 100_000
const LONG_WITHOUT_VACUUM_SECONDS = 600

export const checkStorage: Check = async (patient) => {
  const { pool, db, schema, facts } = patient
  const tables = await readTables(pool, schema, TABLES)
  const oldestProcess = await findOldestProcess(db)
  const isOff = facts.autovacuum === 'off'
  return [
    ...tables
      .filter(({ hasRowSecurity }) => hasRowSecurity)
      .map((table) => rowSecurity(table, schema.quoted)),
    ...(isOff
      ? [illness('AUTOVACUUM_OFF', 'autovacuum is off on the server', 'set autovacuum = on and reload')]
      : []),
    ...(facts.trackCounts === 'off' ? [await notCounted(patient)] : []),
    ...tables.filter(({ autovacuum }) => !autovacuum).map((table) => vacuumOff(table, schema.quoted)),
    ...tables.filter((table) => isBloated(table, oldestProcess)).map((table) => bloat(table, schema.quoted)),
  ]
}

function rowSecurity({ name }: TableState, schema: string): Illness {
  return illness(
    'ROW_SECURITY',
    `row security hides rows of ${name} from this role`,
    `alter table ${schema}.${name} disable row level security`,
    'let the engine connect with the owner of its tables',
  )
}

async function notCounted(patient: Patient): Promise<Illness> {
  const setting = 'track_counts'
  return illness(
    'AUTOVACUUM_OFF',
    `${setting} is off: autovacuum does not learn of dead rows`,
    ...resetRemedies(setting, await findSource(patient.pool, setting), patient),
  )
}

function vacuumOff({ name }: TableState, schema: string): Illness {
  return illness(
    'AUTOVACUUM_OFF',
    `autovacuum is off for ${name}: dead rows stay, and claims slow down`,
    `alter table ${schema}.${name} reset (autovacuum_enabled)`,
  )
}

/** To a table that was never vacuumed, autovacuum may not have come since the first process started. */
function isBloated(
  { deadRows, liveRows, vacuumedSeconds, autovacuum }: TableState,
  oldestProcess: number | null,
): boolean {
  if (deadRows < MANY_DEAD_ROWS || deadRows < liveRows) return false
  const since = vacuumedSeconds ?? (autovacuum ? oldestProcess : null)
  return (since ?? Number.POSITIVE_INFINITY) > LONG_WITHOUT_VACUUM_SECONDS
}

function bloat({ name, deadRows, liveRows, vacuumedSeconds }: TableState, schema: string): Illness {
  const since =
    vacuumedSeconds === null ? 'it was never vacuumed' : `vacuumed ${duration(vacuumedSeconds)} ago`
  return illness(
    'BLOAT',
    `${name} has ${deadRows} dead rows and ${liveRows} live ones; ${since}`,
    'end transactions that are open for long, which keep dead rows from removal',
    `vacuum (analyze) ${schema}.${name}`,
    `reindex table concurrently ${schema}.${name}`,
  )
}
