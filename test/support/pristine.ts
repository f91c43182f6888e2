import type pg from 'pg'

/** What a database looks like that no test has used. */
export interface Pristine {
  /** Changes with the schema, its grants and settings, and the statistics of its tables. */
  readonly fingerprint: string
  /** The tables that the migrations leave empty. */
  readonly tables: readonly string[]
}

// A copy of a database keeps the transaction ids of its rows, so the newest one tells whether DDL has run since.
const CATALOGS =
  'attribute attrdef constraint index namespace opclass policy proc publication rewrite trigger type'.split(
    ' ',
  )

// TRUNCATE writes to pg_class itself, so what else can change there is listed.
const FINGERPRINT = `select concat_ws(' ',
  ${CATALOGS.map((name) => `(select count(*) || '/' || max(xmin::text::bigint) from pg_catalog.pg_${name})`).join(',\n  ')},
  (select count(*) from pg_catalog.pg_statistic where starelid >= 16384),
  (select count(*) from pg_catalog.pg_db_role_setting where setdatabase in (0, d.oid)), d.datacl, d.datconnlimit,
  (select md5(string_agg(concat_ws(' ', oid, relname, relowner, relacl, reloptions, relhastriggers, relrowsecurity), ','
                         order by oid))
     from pg_catalog.pg_class where oid >= 16384)) as fingerprint
  from pg_catalog.pg_database d where d.datname = current_database()`

const TABLES = `select format('%I.%I', schemaname, tablename) as name
  from pg_catalog.pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by name`

export async function describePristine(client: pg.Client): Promise<Pristine> {
  const { rows } = await client.query<{ name: string }>(TABLES)
  const tables: string[] = []
  for (const { name } of rows) {
    if ((await client.query(`select from ${name} limit 1`)).rowCount === 0) tables.push(name)
  }
  return { fingerprint: await readFingerprint(client), tables }
}

/** Removes all rows. @returns whether nothing else has changed, so that another test can have the database */
export async function makePristine(client: pg.Client, pristine: Pristine): Promise<boolean> {
  if ((await readFingerprint(client)) !== pristine.fingerprint) return false
  await client.query(`truncate ${pristine.tables.join()} restart identity; select pg_stat_reset()`)
  return true
}

async function readFingerprint(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ fingerprint: string }>(FINGERPRINT)
  return rows[0]?.fingerprint ?? ''
}
