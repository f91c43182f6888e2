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
  'attribute attrdef constraint index namespace opclass policy proc publication rewrite sequence trigger type'.split(
    ' ',
  )

// TRUNCATE writes to pg_class itself, so what else can change there is listed. Ages cost less than ids as numbers.
const FINGERPRINT = `select concat_ws(' ',
  ${CATALOGS.map((name) => `(select count(*) || '/' || greatest(age('3'::xid) - min(age(xmin)), 0) from pg_catalog.pg_${name})`).join(',\n  ')},
  (select count(*) from pg_catalog.pg_statistic where starelid >= 16384),
  (select string_agg(concat_ws(' ', setrole, setconfig), ',' order by setdatabase, setrole)
     from pg_catalog.pg_db_role_setting where setdatabase in (0, d.oid)), d.datacl, d.datconnlimit,
  (select md5(string_agg(concat_ws(' ', oid, relname, relowner, relacl, reloptions, relhastriggers, relrowsecurity), ','
                         order by oid))
     from pg_catalog.pg_class where oid >= 16384)) as fingerprint
  from pg_catalog.pg_database d where d.datname = current_database()`

const TABLES = `select format('%I.%I', schemaname, tablename) as name
  from pg_catalog.pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by name`

// Also a table that was empty when it was analysed: the planner takes it for a smaller one.
const TOUCHED = `select string_agg(c.oid::regclass::text, ', ') as names from pg_catalog.pg_class c
  where c.oid = any($1::regclass[])
    and (pg_catalog.pg_relation_size(c.oid) > 0 or c.reltuples >= 0
         or exists (select from pg_catalog.pg_depend d
                             join pg_catalog.pg_sequence s on s.seqrelid = d.objid
                            where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = c.oid
                              and pg_catalog.pg_sequence_last_value(s.seqrelid) is not null))`

export async function describePristine(client: pg.Client): Promise<Pristine> {
  const { rows } = await client.query<{ name: string }>(TABLES)
  const tables: string[] = []
  for (const { name } of rows) {
    if ((await client.query(`select from ${name} limit 1`)).rowCount === 0) tables.push(name)
  }
  return { fingerprint: await readFingerprint(client), tables }
}

/** Removes all rows. @returns whether nothing else has changed, so that another test can have the database */
export async function makePristine(client: pg.ClientBase, pristine: Pristine): Promise<boolean> {
  if ((await readFingerprint(client)) !== pristine.fingerprint) return false
  await emptyTables(client, pristine.tables)
  await client.query('select pg_stat_reset()')
  return true
}

/** Truncates those that have been used, as each costs a millisecond, and all that refer to them. */
async function emptyTables(client: pg.ClientBase, tables: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ names: string | null }>(TOUCHED, [tables])
  const names = rows[0]?.names
  if (names) await client.query(`truncate ${names} restart identity cascade`)
}

async function readFingerprint(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ fingerprint: string }>(FINGERPRINT)
  return rows[0]?.fingerprint ?? ''
}
