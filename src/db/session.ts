import type pg from 'pg'
import { ENGINE_TYPES } from './reading.ts'

/**
 * Settings of the engine's sessions, which override those of the role, the database and the connection string. A host
 * sets limits for its requests, and the engine's plans need the planner's defaults.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  default_transaction_isolation: 'read committed',
  statement_timeout: '0',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  array_nulls: 'on',
  extra_float_digits: '1',
  jit: 'off',
  plan_cache_mode: 'auto',
  enable_bitmapscan: 'on',
  enable_hashagg: 'on',
  enable_hashjoin: 'on',
  enable_indexonlyscan: 'on',
  enable_indexscan: 'on',
  enable_material: 'on',
  enable_memoize: 'on',
  enable_mergejoin: 'on',
  enable_nestloop: 'on',
  enable_seqscan: 'on',
  enable_sort: 'on',
}

// Skips settings that the server lacks. Changes nothing behind a pooler, whose backends are shared.
const APPLY = `select set_config(s.name, given.value, false)
     from pg_settings s
     join unnest($1::text[], $2::text[]) as given (name, value) using (name)
    where pg_backend_pid() = $3 and s.setting <> given.value`

/** The new connection serves nothing else meanwhile. */
const APPLY_TIMEOUT_MS = 10_000

/** Applies the settings to a fresh connection of the engine. */
export async function prepareSession(
  client: pg.ClientBase,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const settings = { ...SETTINGS, ...more }
  await client.query({
    text: APPLY,
    values: [Object.keys(settings), Object.values(settings), Reflect.get(client, 'processID')],
    types: ENGINE_TYPES,
    query_timeout: APPLY_TIMEOUT_MS,
  } as pg.QueryConfig)
}
