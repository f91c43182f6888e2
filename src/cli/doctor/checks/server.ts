import { findUnusable } from '../../../db/requirements.ts'
import { type Illness, illness } from '../illness.ts'
import { type Check, duration, type Patient } from '../patient.ts'
import { findOddSettings, findSource } from '../store/server.ts'

const OLDEST_VERSION = 150_000
/** Half a lease by default: from there on, times of different machines cannot be compared. */
const CLOCK_TOLERANCE_MS = 15_000

export const checkVersion: Check = async ({ facts: { versionNumber, version } }) =>
  versionNumber >= OLDEST_VERSION
    ? []
    : [
        illness(
          'SERVER_TOO_OLD',
          `the server is PostgreSQL ${version}, and the engine needs 15 or later`,
          'upgrade the server',
        ),
      ]

export const checkUsable: Check = async (patient) => {
  const problem = await findUnusable(patient.pool)
  return problem === undefined
    ? []
    : [illness('UNSUPPORTED_DATABASE', problem, ...(await unusableRemedies(problem, patient)))]
}

async function unusableRemedies(problem: string, patient: Patient): Promise<string[]> {
  const setting = /^[a-z_]+(?= is )/.exec(problem)?.[0]
  if (setting !== undefined) {
    const remedies = resetRemedies(setting, await findSource(patient.pool, setting), patient)
    return setting === READ_ONLY ? remedies.map(inWritable) : remedies
  }
  if (problem.includes('standby')) return ['let DATABASE_URL lead to the primary']
  return [`create a database with "create database … encoding 'UTF8' template template0", and use that`]
}

const READ_ONLY = 'default_transaction_read_only'

/** The session that runs it may be read-only, too. */
function inWritable(remedy: string): string {
  return remedy.startsWith('alter ') ? `begin read write; ${remedy}; commit` : remedy
}

/** Of settings that are no limits, which are lifted by 0. */
const USABLE: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'off',
  default_transaction_isolation: `'read committed'`,
  array_nulls: 'on',
  extra_float_digits: '1',
  session_replication_role: 'origin',
  synchronous_commit: 'on',
  track_counts: 'on',
}

/** What ends a setting there where it was made. */
export function resetRemedies(
  setting: string,
  source: string,
  { facts: { role, database } }: Patient,
): string[] {
  switch (source) {
    case 'client':
      return [`take ${setting} out of the options of the connection string`]
    case 'database user':
      return [`alter role ${role} in database ${database} reset ${setting}`]
    case 'user':
      return [`alter role ${role} reset ${setting}`]
    case 'database':
      return [`alter database ${database} reset ${setting}`]
    case 'global':
      return [`alter role all reset ${setting}`]
    default:
      return [
        `alter role ${role} in database ${database} set ${setting} = ${USABLE[setting] ?? 0}`,
        `take ${setting} out of the server's configuration (alter system reset ${setting}), and reload it`,
      ]
  }
}

/** Where they can be set, the engine's sessions have their own. */
export const checkSettings: Check = async (patient) => {
  const odd = patient.isPooled ? await findOddSettings(patient.pool) : []
  const settings = odd.map(({ name, setting, source }) =>
    illness(
      'ROLE_SETTINGS',
      `${name} is ${setting} on the connections behind the pooler, where the engine cannot set its own`,
      'give the engine a role of its own without it',
      ...resetRemedies(name, source, patient),
    ),
  )
  if (patient.facts.synchronousCommit !== 'off') return settings
  const evidence =
    'synchronous_commit is off: a task whose create has returned is lost if the server crashes within a second'
  const source = await findSource(patient.pool, 'synchronous_commit')
  const remedies = resetRemedies('synchronous_commit', source, patient)
  return [...settings, illness('COMMITS_NOT_DURABLE', evidence, ...remedies)]
}

/** @param measuredAt this machine's clock when the server read its own, and how long the query took */
export function checkClock(serverMs: number, measuredAt: { ms: number; tookMs: number }): Illness[] {
  const aheadMs = measuredAt.ms - serverMs
  if (Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS + measuredAt.tookMs) return []
  const side = aheadMs > 0 ? 'ahead of' : 'behind'
  return [
    illness(
      'CLOCK_DIFFERS',
      `the clock of this machine is ${duration(Math.abs(aheadMs) / 1_000)} ${side} that of the database`,
      'let chronyd or ntpd keep both clocks, and look at the other machines, too',
    ),
  ]
}
