import type pg from 'pg'
import type { EngineSchema } from '../../../db/engine-schema.ts'
import { ENGINE_TYPES } from '../../../db/reading.ts'

/** Names without their schema. The journal of migrations is only read. */
const TABLES = `select c.relname::text as name, row_security_active(c.oid) as "hasRowSecurity",
            coalesce((select option_value::boolean from pg_options_to_table(c.reloptions)
                       where option_name = 'autovacuum_enabled'), true) as autovacuum,
            array(select privilege from unnest('{select,insert,update,delete}'::text[]) as privilege
                   where (privilege = 'select' or c.relname <> 'async_tasks_migrations')
                     and not has_table_privilege(c.oid, privilege)) as "missingPrivileges",
            coalesce(s.n_dead_tup, 0)::float8 as "deadRows", coalesce(s.n_live_tup, 0)::float8 as "liveRows",
            extract(epoch from now() - greatest(s.last_vacuum, s.last_autovacuum))::float8 as "vacuumedSeconds"
       from pg_class c
       join pg_namespace n on n.oid = c.relnamespace
       left join pg_stat_all_tables s on s.relid = c.oid
      where n.nspname = $1 and c.relname = any($2::text[]) and c.relkind in ('r', 'p')
      order by c.relname`

export interface TableState {
  readonly name: string
  readonly hasRowSecurity: boolean
  readonly autovacuum: boolean
  readonly missingPrivileges: readonly string[]
  readonly deadRows: number
  readonly liveRows: number
  /** Null: never. */
  readonly vacuumedSeconds: number | null
}

export async function readTables(
  pool: pg.Pool,
  schema: EngineSchema,
  names: readonly string[],
): Promise<TableState[]> {
  const values = [schema.name, names]
  return (await pool.query<TableState>({ text: TABLES, values, types: ENGINE_TYPES })).rows
}

const MAY_USE = `select coalesce(has_schema_privilege(to_regnamespace($1), 'usage'), true) as "mayUse"`

/** True also where there is no such schema. */
export async function mayUseSchema(pool: pg.Pool, schema: EngineSchema): Promise<boolean> {
  const values = [schema.quoted]
  const { rows } = await pool.query<{ mayUse: boolean }>({ text: MAY_USE, values, types: ENGINE_TYPES })
  return rows[0]?.mayUse ?? true
}

// One that is being built is not valid yet, and one that is replaced is no longer; of both, only the table is told.
const INDEXES = `select i.relname::text as name, format('%I.%I', n.nspname, i.relname) as qualified,
            (x.indisvalid and x.indisready) or p.relid is not null as "isValid", x.indisunique as "isUnique",
            x.indpred is not null as "isPartial",
            array(select a.attname::text from pg_attribute a where a.attrelid = i.oid order by a.attnum) as columns
       from pg_index x
       join pg_class i on i.oid = x.indexrelid
       join pg_class c on c.oid = x.indrelid
       join pg_namespace n on n.oid = c.relnamespace
       left join (select distinct relid from pg_stat_progress_create_index where datname = current_database()) p
         on p.relid = c.oid
      where n.nspname = $1 and starts_with(c.relname, 'async_task')
      order by i.relname`

export interface IndexState {
  readonly name: string
  /** As an identifier of SQL. */
  readonly qualified: string
  readonly isValid: boolean
  readonly isUnique: boolean
  readonly isPartial: boolean
  readonly columns: readonly string[]
}

export async function readIndexes(pool: pg.Pool, schema: EngineSchema): Promise<IndexState[]> {
  const values = [schema.name]
  return (await pool.query<IndexState>({ text: INDEXES, values, types: ENGINE_TYPES })).rows
}
