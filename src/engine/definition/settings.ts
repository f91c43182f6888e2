import { z } from 'zod'

const MAX_TIMER_MS = 2_147_483_647
/** By then every executor has read what is due next. */
export const MAX_POLL_INTERVAL_MS = 600_000
/** Bounds the memory of pending writes. */
const MAX_JSON_BYTES = 16 * 1_048_576

/** The engine's settings, as the plugin takes them. Names of durations end in their unit. */
export interface TaskSettingsInput {
  /** Handlers that run at once in this process, 1 … 10,000. More need more memory and connections. Default 2. */
  concurrency?: number | undefined
  /**
   * Longest time between two polls for due tasks, 10 … 60,000. Tasks start at once or when they are due, without a poll:
   * it bounds the delay where a notification is lost. A lower value costs more queries. Default 1,000.
   */
  pollIntervalMs?: number | undefined
  /**
   * Longest time between two polls while nothing is due and notifications are proven to arrive, `pollIntervalMs` …
   * 600,000. If it is higher than `pollIntervalMs`, a process that runs nothing also sends fewer heartbeats, at least
   * three a lease. A higher value costs fewer queries; a task whose notification is lost starts that much later.
   * Default: `pollIntervalMs`.
   */
  idlePollIntervalMs?: number | undefined
  /** Run time after which a handler's signal aborts, 1 … 2,147,483; a type or call may set another. Default 14,400. */
  timeoutSeconds?: number | undefined
  /** Attempts after the first, 0 … 100; a type or call may set another number. Default 3. */
  maxRetries?: number | undefined
  /** Delay before the first retry, 0 … 3,600,000; doubles each time, at most one hour. Default 1,000. */
  retryBaseMs?: number | undefined
  /** How often an executor sends a heartbeat and checks for cancelled tasks, 50 … 600,000. Default 5,000. */
  heartbeatIntervalMs?: number | undefined
  /**
   * Age of a heartbeat after which an executor counts as dead, 150 … 3,600,000 and at least 3 × `heartbeatIntervalMs`.
   * Default 30,000.
   */
  leaseMs?: number | undefined
  /**
   * How long a due task waits for an executor that has registered its type before it fails with `UNKNOWN_TASK_TYPE`,
   * 0 … 315,360,000; at least two leases of the executor that last had it. Default 86,400, one day.
   */
  unknownTypeGraceSeconds?: number | undefined
  /** How long after its signal aborted a handler is reported as stuck, 0 … 2,147,483,647. Default 10,000. */
  cancelGraceMs?: number | undefined
  /** Bytes of JSON that a task's params may take, keys and values together, 2 … 16 MiB. Default 1 MiB. */
  maxParamsBytes?: number | undefined
  /** Bytes of JSON that a handler's result may take, 2 … 16 MiB. Default 1 MiB. */
  maxResultBytes?: number | undefined
  /** Paths of secret params in tasks of every type, at most 100, in addition to a type's own `redact`. Default: none. */
  redact?: string[] | undefined
  /**
   * Days that finished tasks are kept, 0 … 36,500 (indefinitely); a type may set another number. 0 keeps them for one
   * minute, so that `waitFor` can still return them. Default 30.
   */
  retentionDays?: number | undefined
  /**
   * Days that entries of the audit are kept, 0 … 36,500 (indefinitely). If several apps share a database and
   * schema, the shortest setting applies. Default 365.
   */
  auditRetentionDays?: number | undefined
  /** Newest lines that a task's log keeps, 100 … 100,000,000, temporarily up to 10 % more. Default 100,000. */
  maxLogLines?: number | undefined
  /** Longest shutdown, 0 … 2,147,483,647; handlers are aborted at 80 % of it. Default 25,000. */
  shutdownTimeoutMs?: number | undefined
}

/** The only place of ranges and defaults. */
export const taskSettings = z
  .object({
    concurrency: z.int().min(1).max(10_000).default(2),
    pollIntervalMs: z.int().min(10).max(60_000).default(1_000),
    idlePollIntervalMs: z.int().min(10).max(MAX_POLL_INTERVAL_MS).optional(),
    timeoutSeconds: z.int().min(1).max(2_147_483).default(14_400),
    maxRetries: z.int().min(0).max(100).default(3),
    retryBaseMs: z.int().min(0).max(3_600_000).default(1_000),
    heartbeatIntervalMs: z.int().min(50).max(600_000).default(5_000),
    leaseMs: z.int().min(150).max(3_600_000).default(30_000),
    unknownTypeGraceSeconds: z.int().min(0).max(315_360_000).default(86_400),
    cancelGraceMs: z.int().min(0).max(MAX_TIMER_MS).default(10_000),
    maxParamsBytes: z.int().min(2).max(MAX_JSON_BYTES).default(1_048_576),
    maxResultBytes: z.int().min(2).max(MAX_JSON_BYTES).default(1_048_576),
    redact: z
      .array(z.string().regex(/^[^.]+(\.[^.]+)*$/, 'must be a path such as card.number'))
      .max(100)
      .default([]),
    retentionDays: z.number().min(0).max(36_500).default(30),
    auditRetentionDays: z.number().min(0).max(36_500).default(365),
    maxLogLines: z.int().min(100).max(100_000_000).default(100_000),
    shutdownTimeoutMs: z.int().min(0).max(MAX_TIMER_MS).default(25_000),
  } satisfies { [Name in keyof TaskSettingsInput]-?: z.ZodType<unknown, TaskSettingsInput[Name]> })
  .refine((settings) => settings.leaseMs >= 3 * settings.heartbeatIntervalMs, {
    path: ['leaseMs'],
    message: 'must be at least 3 × heartbeatIntervalMs',
  })
  .refine(({ idlePollIntervalMs: idle, pollIntervalMs }) => idle === undefined || idle >= pollIntervalMs, {
    path: ['idlePollIntervalMs'],
    message: 'must be at least pollIntervalMs',
  })

/** Without a default of its own: that of another setting. */
type Derived = 'idlePollIntervalMs'

/** The engine's settings with their defaults. */
export type TaskSettings = {
  [Name in Exclude<keyof TaskSettingsInput, Derived>]-?: Exclude<TaskSettingsInput[Name], undefined>
} & Pick<TaskSettingsInput, Derived>
