import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Diagnosis, IllnessCode } from '../../../src/cli/doctor/illness.ts'
import { type PostgresServer, startPostgres } from '../../processes/chaos/postgres-server.ts'
import type { TestDatabase } from '../../support/database.ts'
import { createRole, type Role, runAsOwner } from '../../support/role.ts'
import { commandOn, jsonOf } from '../run-command.ts'

export type Target = Pick<TestDatabase, 'url' | 'directUrl' | 'schema'>

/** A database with the engine's tables and one live executor, on a server of its own. */
export interface Examined {
  readonly server: PostgresServer
  readonly database: TestDatabase
  /** Has the grants of the guide and nothing else. */
  readonly role: Role
  sql(...statements: string[]): Promise<void>
  /** What `doctor --json` finds. */
  examine(target?: Partial<Target>, env?: Record<string, string>): Promise<Diagnosis>
  /** Examines with that role. */
  asRole(): Pick<Target, 'url' | 'directUrl'>
}

export function useExamined(): Examined {
  let server: PostgresServer
  let database: TestDatabase
  let role: Role
  const sql = (...statements: string[]) =>
    runAsOwner(database, ['set default_transaction_read_only = off', ...statements])
  beforeAll(async () => {
    server = await startPostgres({ maxConnections: 100 })
    database = await server.createDatabase()
    role = await createRole(database)
    await sql(
      `grant select, insert, update, delete on all tables in schema public to ${role.name}`,
      executorRow({ types: '{served}' }),
    )
  })
  afterAll(async () => {
    await database.pool.end()
    await server.remove()
  })
  return {
    get server() {
      return server
    },
    get database() {
      return database
    },
    get role() {
      return role
    },
    sql,
    async examine(target = {}, env = {}) {
      const result = await commandOn({ ...database, ...target }, { env })('doctor', '--json')
      const found: Diagnosis = jsonOf(result)
      expect(result).toMatchObject({ code: found.healthy ? 0 : 1, err: '' })
      return found
    },
    asRole: () => ({ url: role.url, directUrl: role.url }),
  }
}

export const HEALTHY = { healthy: true, illnesses: [] }
export const codesOf = ({ illnesses }: Diagnosis) => [...new Set(illnesses.map(({ code }) => code))]
export const remediesOf = ({ illnesses }: Diagnosis) => illnesses.map(({ remedies }) => remedies[0] ?? '')

export function executorRow({
  types = '{}',
  beat = 'now()',
  lease = 3_600_000,
  id = randomUUID(),
  stuck = '{}',
}): string {
  return `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at, stuck)
    values ('${id}', 'host', 7, '1.0.0', 2, '${types}', ${lease}, ${beat}, '${stuck}')`
}

export interface Fault {
  readonly inject: readonly string[]
  readonly heal: readonly string[]
  readonly target?: () => Partial<Target>
  readonly env?: Record<string, string>
}

/** A setting of the role in this database. */
export const inDatabase = (setting: string): Fault => ({
  inject: [
    `do $$ begin execute format('alter role postgres in database %I set ${setting}', current_database()); end $$`,
  ],
  heal: [
    `do $$ begin execute format('alter role postgres in database %I reset all', current_database()); end $$`,
  ],
})

/** A name, what is to be found, a part of the remedies, and what causes it. */
export type FaultRow = [name: string, codes: IllnessCode[], remedy: RegExp, fault: Fault]

export function testFaults(examined: Examined, faults: readonly FaultRow[]): void {
  test.each(faults)(
    '%s is found with its remedy, and nothing else',
    async (_name, codes, remedy, { inject, heal, target, env }) => {
      onTestFinished(() => examined.sql(...heal))
      await examined.sql(...inject)
      const found = await examined.examine(target?.(), env)
      expect(codesOf(found)).toEqual(codes)
      expect(found.illnesses.flatMap(({ remedies }) => remedies).join('\n')).toMatch(remedy)
      expect(JSON.stringify(found)).not.toMatch(/hunter2|secret/)
    },
  )
}
