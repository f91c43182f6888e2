import type pg from 'pg'
import { createPool, endPool } from '../db/client.ts'
import type { Database } from '../db/database.ts'
import { readSchemaState } from '../db/migrate.ts'
import { partsOf } from '../engine/create/manager-parts.ts'
import { TaskError } from '../engine/definition/errors.ts'
import { createTaskRegistry } from '../engine/definition/registry.ts'
import { taskSettings } from '../engine/definition/settings.ts'
import type { TaskManager } from '../engine/manager/manager.ts'
import { TaskRunner } from '../engine/runner.ts'
import { version } from '../version.ts'
import { action, type Call, type CommandRun } from './call.ts'
import { migrateCommandFor } from './migrate-command.ts'

/** What a command works with: the manager of an app that runs nothing and has registered no type. */
export interface ManagerCall {
  readonly call: Call
  readonly manager: TaskManager
  readonly db: Database
}

type ManagerWork<Args extends unknown[]> = (given: ManagerCall, ...args: Args) => Promise<void>

/** The action of a command that works on a migrated database. It applies no migration. */
export function managerAction<Args extends unknown[]>(run: CommandRun, work: ManagerWork<Args>) {
  return action<Args>(run, (call, ...args) => withManager(call, (given) => work(given, ...args)))
}

async function withManager(call: Call, work: (given: ManagerCall) => Promise<void>): Promise<void> {
  const { schema } = call
  const applicationName = 'fastify-async-tasks command'
  const pool = createPool({ connectionString: call.databaseUrl, max: 3, applicationName })
  try {
    await requireMigrated(pool, call)
    const runner = new TaskRunner({
      ...{ pool, schema, version, registry: createTaskRegistry(), settings: taskSettings.parse({}) },
      // A pooler may not keep named statements.
      ...{ executes: false, prepared: false, listen: undefined },
    })
    try {
      const { manager } = runner
      await work({ call, manager, db: partsOf(manager).db })
    } finally {
      await runner.stop()
    }
  } finally {
    await endPool(pool, 1_000)
  }
}

/** @throws TaskError `MIGRATION_FAILED` naming the command that helps */
async function requireMigrated(pool: pg.Pool, call: Call): Promise<void> {
  const { schema } = call
  const { missing, isNew } = await readSchemaState(pool, 'tasks', schema, (text) => call.notice(text))
  if (missing.length === 0) return
  const lacks = isNew ? 'the tables of the engine' : `the migrations ${missing.join(', ')}`
  throw new TaskError(
    'MIGRATION_FAILED',
    `the schema ${schema.name} lacks ${lacks}: run ${migrateCommandFor(schema)}`,
  )
}
