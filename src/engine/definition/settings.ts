import { z } from 'zod'

const MAX_TIMER_MS = 2_147_483_647
/** A row's text may be larger; what waits for its write, in memory, should not. */
const MAX_JSON_BYTES = 16 * 1_048_576

/**
 * How an executor behaves. Defaults live here and nowhere else.
 * Durations end in the unit they are counted in.
 */
export const taskSettings = z
  .object({
    /** Handlers that run at once in this executor. More use more memory and database connections. */
    concurrency: z.int().min(1).max(10_000).default(2),
    /** Longest wait between two looks for due tasks. Lower finds other processes' tasks sooner, at a statement each. */
    pollIntervalMs: z.int().min(10).max(60_000).default(1_000),
    /** Until a handler's signal aborts, unless the call or the type says otherwise. */
    timeoutSeconds: z.int().min(1).max(2_147_483).default(14_400),
    /** Further attempts after the first, unless the call or the type says otherwise. */
    maxRetries: z.int().min(0).max(100).default(3),
    /** Wait before the first retry; doubled each time, at most an hour. */
    retryBaseMs: z.int().min(0).max(3_600_000).default(1_000),
    /** How often an executor says that it lives, and learns of cancelled tasks. */
    heartbeatIntervalMs: z.int().min(50).max(600_000).default(5_000),
    /** Age of a heartbeat after which an executor counts as dead; at least three heartbeats. */
    leaseMs: z.int().min(150).max(3_600_000).default(30_000),
    /**
     * How long a due task waits while no executor has registered its type, before it fails with `UNKNOWN_TASK_TYPE`. Lower
     * finds misspelt types sooner; a service that is away for longer loses its backlog. Never less than two leases of
     * the executor that had the type.
     */
    unknownTypeGraceSeconds: z.int().min(0).max(315_360_000).default(86_400),
    /** How long a handler may take to return after its signal aborted before it is reported as stuck. */
    cancelGraceMs: z.int().min(0).max(MAX_TIMER_MS).default(10_000),
    /** Bytes of JSON that the params of a task may take, keys and values. More needs more memory, here and in PostgreSQL. */
    maxParamsBytes: z.int().min(2).max(MAX_JSON_BYTES).default(1_048_576),
    /** Bytes of JSON that a handler's result may take. */
    maxResultBytes: z.int().min(2).max(MAX_JSON_BYTES).default(1_048_576),
    /** Params of every type that are kept out of sight, as in a type's own `redact`. */
    redact: z
      .array(z.string().regex(/^[^.]+(\.[^.]+)*$/, 'must be a path such as card.number'))
      .max(100)
      .default([]),
    /**
     * Days that ended tasks are kept, unless their type says otherwise; 36,500 is for ever. 0 keeps them for the minute
     * in which whoever waits for them still finds them.
     */
    retentionDays: z.number().min(0).max(36_500).default(30),
    /** Lines that the log of a task keeps, up to a tenth more for a while: the oldest go, and a line says so. */
    maxLogLines: z.int().min(100).max(100_000_000).default(100_000),
    /** How long a stop may take; handlers are aborted at 80 % of it. */
    shutdownTimeoutMs: z.int().min(0).max(MAX_TIMER_MS).default(25_000),
  })
  .refine((settings) => settings.leaseMs >= 3 * settings.heartbeatIntervalMs, {
    path: ['leaseMs'],
    message: 'must be at least 3 × heartbeatIntervalMs',
  })

export type TaskSettings = z.output<typeof taskSettings>
export type TaskSettingsInput = z.input<typeof taskSettings>
