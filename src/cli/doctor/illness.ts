/** Every illness that `doctor` knows, in the order of its checks. */
export const ILLNESSES = [
  'CONNECTION_FAILS',
  'SERVER_TOO_OLD',
  'UNSUPPORTED_DATABASE',
  'SCHEMA_MISSING',
  'SCHEMA_TOO_NEW',
  'TABLES_MISSING',
  'GRANTS_MISSING',
  'LISTEN_FAILS',
  'POOL_MODE',
  'PREPARED_STATEMENTS_FAIL',
  'ROLE_SETTINGS',
  'COMMITS_NOT_DURABLE',
  'CLOCK_DIFFERS',
  'CLOCK_WENT_BACK',
  'INDEX_MISSING',
  'INDEX_INVALID',
  'ROW_SECURITY',
  'AUTOVACUUM_OFF',
  'BLOAT',
  'TRANSACTION_HELD',
  'CANCEL_WAITS',
  'TYPE_WITHOUT_EXECUTOR',
  'TYPE_PAUSED',
  'BACKLOG',
  'HANDLER_STUCK',
  'EXECUTOR_DEAD',
  'EXECUTORS_CRASH',
  'SCHEDULE_FAILS',
  'SCHEDULE_LATE',
  'CONNECTIONS_USED_UP',
  'POOLS_TOO_LARGE',
  'PRUNING_STOPPED',
] as const

export type IllnessCode = (typeof ILLNESSES)[number]

export interface Illness {
  readonly code: IllnessCode
  /** What was seen, as a sentence. */
  readonly evidence: string
  /** What helps, the safest first. */
  readonly remedies: readonly string[]
}

export function illness(code: IllnessCode, evidence: string, ...remedies: string[]): Illness {
  return { code, evidence, remedies }
}

export interface Diagnosis {
  readonly healthy: boolean
  readonly illnesses: readonly Illness[]
  /** What could not be looked at, with the reason. */
  readonly notChecked: readonly string[]
}
