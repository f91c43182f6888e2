#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { CONNECTION_STRING, isConnectionString } from '../db/connection-string.ts'
import { EngineSchema } from '../db/engine-schema.ts'
import { migrate } from '../db/migrate.ts'
import { PUBLIC } from '../db/schema-name.ts'
import { requireNode } from '../version.ts'

const USAGE = `Usage: fastify-async-tasks migrate [--schema <name>] [--database-url <url>]

Applies the migrations of the engine that the database lacks, and ends.

  --schema        schema of the tables, as in the plugin's option. Default: public
  --database-url  such as postgres://user:password@host:5432/database, not through PgBouncer.
                  Default: the environment's DATABASE_URL`

/** The command of the package: for deployments that apply migrations with a role of their own. */
async function main(): Promise<void> {
  requireNode()
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      schema: { type: 'string', default: PUBLIC },
      'database-url': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(USAGE)
  const [command, ...others] = positionals
  if (command !== 'migrate' || others.length > 0) {
    throw new Error(`expected the command migrate, got '${positionals.join(' ')}'\n\n${USAGE}`)
  }
  const url = values['database-url'] ?? process.env.DATABASE_URL
  if (!url) throw new Error('name the database: --database-url, or DATABASE_URL in the environment')
  // Not quoted: it may hold a password.
  if (!isConnectionString(url))
    throw new Error(`--database-url and DATABASE_URL must be ${CONNECTION_STRING}`)
  const schema = new EngineSchema(values.schema)
  const applied = await migrate(url, 'tasks', { mode: 'auto', schema, onNotice: console.error })
  console.log(`${schema.name}: ${applied.length > 0 ? `applied ${applied.join(', ')}` : 'up to date'}`)
}

try {
  await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
