import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded.ts'
import { prepareRole } from '../../src/db/embedded-role.ts'
import { migrate } from '../../src/db/migrate.ts'
import { withClient } from '../support/with-client.ts'

let dataDir: string
let server: EmbeddedPostgres

beforeAll(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'embedded-'))
  chmodSync(dataDir, 0o755)
  server = await startEmbedded({ dataDir, durable: false })
})
afterAll(async () => {
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

const query = (url: string, text: string): Promise<unknown[]> =>
  withClient(url, async (client) => {
    const results = [await client.query({ text, rowMode: 'array' })].flat()
    return results.at(-1)?.rows?.flat() ?? []
  })

/** Owners of everything that is not PostgreSQL's own. */
const OWNERS = `
  select distinct pg_get_userbyid(owner) from (
    select relnamespace, relowner from pg_class
    union all select typnamespace, typowner from pg_type
    union all select pronamespace, proowner from pg_proc
    union all select oid, nspowner from pg_namespace where nspname <> 'public'
  ) all_objects (namespace, owner) join pg_namespace n on n.oid = namespace
  where nspname !~ '^pg_' and nspname <> 'information_schema'`

async function migrateBoth(url: string): Promise<string[]> {
  const applied = []
  for (const history of ['tasks', 'server'] as const)
    applied.push(...(await migrate(url, history, { mode: 'auto' })))
  return applied
}

test('the server works on the embedded database as a role that is no superuser', async () => {
  await migrateBoth(server.url)
  await query(
    server.url,
    `create type mood as enum ('good'); create domain small as int check (value < 10);
     create view seen as select 1; create sequence lone; create schema other; create table other.kept (id serial);
     create function one() returns int language sql return 1`,
  )
  const url = await prepareRole(server.url)
  expect(
    await query(
      url,
      `select rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
                             from pg_roles where rolname = current_user`,
    ),
  ).toEqual(['app', false, false, false, false, false])
  expect(await query(url, OWNERS)).toEqual(['app'])
  expect(await migrateBoth(url)).toEqual([])
  for (const attack of [
    `copy (select 1) to program 'true'`,
    `copy (select 1) to '/tmp/x'`,
    `select pg_read_file('/etc/passwd')`,
    `create function f() returns int language c as 'x', 'y'`,
    `alter system set log_statement = 'all'`,
    `set role postgres`,
    `select rolpassword from pg_authid`,
  ]) {
    await expect(query(url, attack), attack).rejects.toMatchObject({ code: '42501' })
  }
})

test('each start has another password, and the last one is not valid any more', async () => {
  const first = await prepareRole(server.url)
  const second = await prepareRole(server.url)
  expect(second).not.toBe(first)
  expect(await query(second, 'select 1')).toEqual([1])
  await expect(query(first, 'select 1')).rejects.toMatchObject({ code: '28P01' })
})

test('an empty database can be migrated as that role', async () => {
  const url = await prepareRole(server.url)
  await query(url, 'drop owned by app cascade')
  const again = await prepareRole(server.url)
  expect((await migrateBoth(again)).length).toBeGreaterThan(10)
})
