import type pg from 'pg'
import { createPool, endPool } from '../../db/client.ts'
import { createDatabase } from '../../db/database.ts'
import type { EngineSchema } from '../../db/engine-schema.ts'
import { checkListen, checkPooler, connectionFails } from './checks/connection.ts'
import {
  checkCancels,
  checkClockOfDatabase,
  checkExecutors,
  checkPruning,
  checkSchedules,
  checkTypes,
} from './checks/fleet.ts'
import { checkGrants, checkIndexes, checkStorage, checkTables } from './checks/schema.ts'
import { checkClock, checkSettings, checkUsable, checkVersion } from './checks/server.ts'
import { checkConnections, checkTransactions } from './checks/sessions.ts'
import type { Diagnosis, Illness } from './illness.ts'
import type { Check, Patient } from './patient.ts'
import { type Opened, openDatabase } from './store/connection.ts'

export interface ExamineOptions {
  readonly databaseUrl: string
  readonly directUrl: string
  readonly schema: EngineSchema
  readonly prepared: boolean
  readonly poolMax: number | undefined
}

type NamedCheck = readonly [name: string, check: Check]

const OF_SERVER: readonly NamedCheck[] = [
  ['version', checkVersion],
  ['database', checkUsable],
  ['notifications', checkListen],
  ['pooler', checkPooler],
  ['settings', checkSettings],
]

const OF_TABLES: readonly NamedCheck[] = [
  ['grants', checkGrants],
  ['indexes', checkIndexes],
  ['storage', checkStorage],
  ['transactions', checkTransactions],
  ['clock of the database', checkClockOfDatabase],
  ['cancels', checkCancels],
  ['types', checkTypes],
  ['executors', checkExecutors],
  ['schedules', checkSchedules],
  ['connections', checkConnections],
  ['retention', checkPruning],
]

/** A waiting reader delays all who come after it. */
const LOCK_MS = 500

/** Checks for every illness, changes nothing, and waits for no lock for long. */
export async function examine(options: ExamineOptions): Promise<Diagnosis> {
  const pool = createPool({
    connectionString: options.databaseUrl,
    ...{ max: 3, applicationName: 'fastify-async-tasks doctor', lockTimeoutMs: LOCK_MS },
  })
  try {
    const opened = await openDatabase(pool).catch((error: unknown) => connectionFails(error, 'DATABASE_URL'))
    if ('code' in opened) return toDiagnosis([{ illnesses: [opened], notChecked: ['all else'] }])
    return await examineDatabase(options, pool, opened)
  } finally {
    await endPool(pool, 1_000)
  }
}

async function examineDatabase(
  { databaseUrl, directUrl, schema, prepared, poolMax }: ExamineOptions,
  pool: pg.Pool,
  { facts, isPooled, measuredAt }: Opened,
): Promise<Diagnosis> {
  // A pooler may not keep named statements.
  const db = createDatabase(pool, { prepared: false, schema })
  const knowsDirect = directUrl !== databaseUrl
  const patient: Patient = {
    ...{ pool, db, schema, directUrl, knowsDirect, facts, isPooled, prepared, poolMax },
  }
  const server = await runChecks(OF_SERVER, patient)
  const clock = checkClock(facts.nowMs, measuredAt)
  const tables = await runChecks([['tables', checkTables]], patient)
  const isUsable = tables.illnesses.length === 0 && tables.notChecked.length === 0
  const rest = isUsable ? await runChecks(OF_TABLES, patient) : HIDDEN
  const parts = [server, { illnesses: clock, notChecked: [] }, tables, rest]
  return toDiagnosis(parts, [...(rest.unsure ?? []), ...unseenSessions(patient)])
}

interface Findings {
  readonly illnesses: readonly Illness[]
  readonly notChecked: readonly string[]
  readonly unsure?: readonly string[]
}

const HIDDEN: Findings = { illnesses: [], notChecked: ['what is in the tables, until they can be used'] }

async function runChecks(checks: readonly NamedCheck[], patient: Patient): Promise<Findings> {
  const illnesses: Illness[] = []
  const notChecked: string[] = []
  const unsure: string[] = []
  for (const [name, check] of checks) {
    try {
      for (const found of await check(patient)) {
        if (typeof found === 'string') unsure.push(found)
        else illnesses.push(found)
      }
    } catch (error) {
      notChecked.push(`${name}: ${(error as Error).message}`)
    }
  }
  return { illnesses, notChecked, unsure }
}

function unseenSessions({ facts }: Patient): string[] {
  if (facts.seesAllSessions) return []
  return [`transactions of other roles: grant pg_read_all_stats to ${facts.role}`]
}

/** A check that failed is no proof of health, which what a role may not see does not disturb. */
function toDiagnosis(parts: readonly Findings[], unseen: readonly string[] = []): Diagnosis {
  const illnesses = parts.flatMap((part) => part.illnesses)
  const failed = parts.flatMap(({ notChecked }) => notChecked)
  return { healthy: illnesses.length + failed.length === 0, illnesses, notChecked: [...failed, ...unseen] }
}
