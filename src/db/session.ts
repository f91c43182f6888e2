import type pg from 'pg'
import { ENGINE_TYPES } from './reading.ts'

/**
 * What the engine's own sessions run with, whatever role, database or connection string say. Limits are meant for
 * requests, and the engine bounds its statements itself; its plans are made for the planner's defaults.
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

// A server without one of the settings has no row of it. Behind a pooler the backend is another one than the client
// was told, and is shared: its settings are not ours to change.
const APPLY = `select set_config(s.name, given.value, false)
     from pg_settings s
     join unnest($1::text[], $2::text[]) as given (name, value) using (name)
    where pg_backend_pid() = $3 and s.setting <> given.value`

/** Until a new connection has taken its settings; it answers nothing else meanwhile. */
const APPLY_TIMEOUT_MS = 10_000

/** Makes a fresh connection of the engine's own independent of role, database and connection string. */
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
