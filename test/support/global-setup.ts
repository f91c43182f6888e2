import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import type pg from 'pg'
import type { TestProject } from 'vitest/node'
import { buildDashboardIfStale } from '../../src/cli/build-dashboard.ts'
import { startEmbedded } from '../../src/db/embedded.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { type MigrationHistory, migrate } from '../../src/db/migrate.ts'
import { CHROMIUM, HAS_CHROMIUM } from '../browser/executable.ts'
import { databaseUrl } from './database-url.ts'
import { fastFolder, hasFastFolder } from './fast-folder.ts'
import { HAS_PGBOUNCER, startPgBouncer } from './pgbouncer-process.ts'
import { describePristine, type Pristine } from './pristine.ts'
import { withClient } from './with-client.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: {
      adminUrl: string
      templatePrefix: string
      /** A way to the same server through PgBouncer, where TEST_PGBOUNCER asks for one. */
      throughUrl: string | undefined
      /** Where the engine's tables are in databases of `tasks`: TEST_SCHEMA, or public. */
      schema: string
      /** What the templates look like. */
      pristine: Record<MigrationHistory, Pristine>
    }
  }
}

interface TestServer {
  url: string
  description: string
  stop(): Promise<void>
}

/**
 * One PostgreSQL for the whole run, with a template database for each set of migrations.
 * Names are unique to the run, so that several runs can share a server.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await buildDashboardIfStale({ info: console.log, error: console.error })
  const server = (await givenServer()) ?? (await containerServer()) ?? (await embeddedServer())
  const pgbouncer = process.env.TEST_PGBOUNCER ? await startPgBouncer(server.url) : undefined
  console.log(`tests run on ${server.description}${pgbouncer ? `, through ${pgbouncer.version}` : ''}`)
  if (!HAS_CHROMIUM) console.log(`there is no browser at ${CHROMIUM}: the tests in test/browser are left out`)
  if (!HAS_PGBOUNCER) console.log('there is no PgBouncer: the tests through it are left out')
  const schema = process.env.TEST_SCHEMA || 'public'
  if (schema !== 'public') console.log(`the engine's tables are in the schema ${schema}`)
  const prefix = `fat_${randomBytes(5).toString('hex')}_`
  const teardown = async () => {
    await pgbouncer?.stop()
    await withClient(server.url, (admin) => dropDatabases(admin, prefix))
    await server.stop()
  }
  let pristine: Record<MigrationHistory, Pristine>
  try {
    pristine = await createTemplates(server.url, prefix, schema)
  } catch (error) {
    // Vitest calls the teardown only of a set-up that succeeded.
    await teardown()
    throw error
  }
  project.provide('postgres', {
    adminUrl: server.url,
    templatePrefix: prefix,
    schema,
    throughUrl: pgbouncer?.urlOf(server.url),
    pristine,
  })
  return teardown
}

async function createTemplates(adminUrl: string, prefix: string, schema: string) {
  await withClient(adminUrl, async (admin) => {
    for (const name of ['tasks', 'server']) await admin.query(`create database ${prefix}${name}`)
  })
  const own = { mode: 'auto', schema: new EngineSchema(schema) } as const
  await migrate(databaseUrl(adminUrl, `${prefix}tasks`), 'tasks', own)
  await migrate(databaseUrl(adminUrl, `${prefix}server`), 'tasks', { mode: 'auto' })
  await migrate(databaseUrl(adminUrl, `${prefix}server`), 'server', { mode: 'auto' })
  if (!own.schema.isPublic) {
    await withClient(adminUrl, (admin) =>
      // Copies do not have it; theirs is to be the same.
      admin.query(`alter database ${prefix}tasks set search_path = ${own.schema.quoted}`),
    )
  }
  const describe = (name: string) => withClient(databaseUrl(adminUrl, `${prefix}${name}`), describePristine)
  return { tasks: await describe('tasks'), server: await describe('server') }
}

async function givenServer(): Promise<TestServer | undefined> {
  const url = process.env.TEST_DATABASE_URL
  if (!url) return undefined
  return { url, description: `the server of TEST_DATABASE_URL (${await version(url)})`, stop: async () => {} }
}

async function containerServer(): Promise<TestServer | undefined> {
  if (process.env.TEST_EMBEDDED) return undefined
  const { getContainerRuntimeClient } = await import('testcontainers')
  try {
    await getContainerRuntimeClient()
  } catch {
    // No container engine answers: the embedded server is next.
    return undefined
  }
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql')
  const image = process.env.POSTGRES_IMAGE || 'postgres:18'
  const settings = [
    ...['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=300'],
    // A small image may name the compiler without holding it; a statement that it judges dear would fail.
    'jit=off',
  ]
  const server = new PostgreSqlContainer(image)
  // An image of PostgreSQL keeps its data where this variable says.
  if (hasFastFolder()) server.withTmpFs({ '/fast': 'rw,mode=1777' }).withEnvironment({ PGDATA: '/fast/data' })
  const container = await server
    .withCommand(['postgres', ...settings.flatMap((setting) => ['-c', setting])])
    .start()
  const url = container.getConnectionUri()
  return {
    url,
    description: `a container of ${image} (${await version(url)})`,
    stop: async () => {
      await container.stop()
    },
  }
}

async function embeddedServer(): Promise<TestServer> {
  const dataDir = mkdtempSync(path.join(fastFolder(), 'fastify-async-tasks-test-'))
  // As root the user postgres has to reach it.
  chmodSync(dataDir, 0o755)
  const server = await startEmbedded({ dataDir, durable: false, onNotice: console.log })
  return {
    url: server.url,
    description: `embedded PostgreSQL (${await version(server.url)})`,
    stop: async () => {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

async function version(url: string): Promise<string> {
  return withClient(url, async (admin) => {
    const { rows } = await admin.query<{ server_version: string }>('show server_version')
    return rows[0]?.server_version ?? 'unknown version'
  })
}

/** Also those of tests that were cut off. */
async function dropDatabases(admin: pg.Client, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1)',
    [prefix],
  )
  for (const { datname } of rows) await admin.query(`drop database ${datname} with (force)`)
}
