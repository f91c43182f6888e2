import { z } from 'zod'
import type { AttemptOutcome, LogLevel, TaskStatus } from './views.ts'

export type { ExecutorRun, ExecutorRuns, ExecutorView } from './executor-views.ts'
export type {
  AttemptOutcome,
  LogLevel,
  SearchedTasks,
  TaskAttempt,
  TaskDetail,
  TaskList,
  TaskLogLine,
  TaskLogPage,
  TaskStatus,
  TaskStep,
  TaskSummary,
  TaskTypeView,
} from './views.ts'

/** Schemas of the views; their types have the docs. */

export const TASK_STATUSES = [
  'pending',
  'running',
  'completed',
  'failed',
  'cancelled',
] as const satisfies readonly TaskStatus[]

export const ATTEMPT_OUTCOMES = [
  'completed',
  'failed',
  'timed_out',
  'cancelled',
  'interrupted',
  'lost',
  'sleeping',
] as const satisfies readonly AttemptOutcome[]

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const satisfies readonly LogLevel[]

/** An instant: RFC 3339 in UTC on the wire, a `Date` in code. */
export const instant = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
})

/** Text that PostgreSQL can store: no NUL, no lone surrogate. */
export const storableText = z
  .string()
  .refine(
    (text) => !text.includes('\u0000') && text.isWellFormed(),
    'must be text without NUL or lone surrogates',
  )

/** What due tasks wait for, other than a slot; absent where it is nothing. */
export const waitingFor = z.literal('executor').optional()

/** A task in lists. */
export const taskSummary = z.object({
  taskId: z.string(),
  taskType: z.string(),
  status: z.enum(TASK_STATUSES),
  progress: z.int().min(0),
  total: z.int().min(0),
  percent: z.int().min(0).max(100),
  step: z.string().nullable(),
  createdAt: instant,
  startedAt: instant.nullable().describe('Start of the latest attempt.'),
  completedAt: instant.nullable().describe('Set when the task completed or failed.'),
  cancelledAt: instant.nullable(),
  runAt: instant.describe('Due time.'),
  retryCount: z.int().min(0),
  maxRetries: z.int().min(0),
  error: z.string().nullable().describe('The last error.'),
  paramsPreview: z
    .string()
    .optional()
    .describe('In lists: its first params, such as `invoice: INV-17`, at most 200 characters.'),
})

export const taskAttempt = z.object({
  attempt: z.int().min(1),
  startedAt: instant,
  endedAt: instant.nullable(),
  outcome: z.enum(ATTEMPT_OUTCOMES).nullable().describe('Null while it runs.'),
  error: z.string().nullable(),
  stack: z.string().nullable().describe('Stack of the error; null if the attempt threw nothing.'),
  executorId: z.string().optional().describe('The executor that ran it; absent if unknown.'),
  spentRetry: z
    .literal(false)
    .optional()
    .describe('False: it failed and is retried without spending a retry; absent otherwise.'),
})

/** Name of a step or a sleep. */
export const stepName = storableText.min(1).max(200)

export const taskStep = z.object({
  name: z.string(),
  attempt: z.int().describe('The attempt that finished it.'),
  startedAt: instant,
  endedAt: instant.describe('Of a sleep: when it is over, which may lie ahead.'),
})

/** Attempts that a detail shows. */
export const MAX_SHOWN_ATTEMPTS = 1_000
/** Steps that a detail shows. */
export const MAX_SHOWN_STEPS = 1_000

/** A task in detail. */
export const taskDetail = taskSummary.extend({
  params: z.record(z.string(), z.json()),
  result: z.json().nullable(),
  createdBy: z.string().nullable(),
  timeoutSeconds: z.int(),
  priority: z.int(),
  uniqueKey: z.string().nullable().describe('At most one unfinished task has a given key.'),
  concurrencyKey: z.string().nullable(),
  expiresAt: instant
    .nullable()
    .describe(
      'If it has not started by then, it is not started, and ends `cancelled` with the error `expired`.',
    ),
  stopping: z
    .boolean()
    .describe('The task has ended, but its handler has not returned yet, in a live executor.'),
  executorId: z.string().nullable().describe('The executor that runs it, or ran it last.'),
  waitingFor: waitingFor.describe(
    '`executor`: it has been due for a second, and no live executor has registered its type.',
  ),
  attempts: z
    .array(taskAttempt)
    .describe(
      'The newest 1,000 attempts, oldest first. Older ones are not kept; the last one has their count.',
    ),
  steps: z.array(taskStep).describe('The newest 1,000 finished steps and sleeps, oldest first.'),
  stepCount: z.int().min(0).describe('All finished steps and sleeps.'),
})

export const taskList = z.object({
  tasks: z.array(taskSummary),
  total: z.int().min(0),
  totalIsEstimate: z.literal(true).optional().describe('There are more tasks than `total`.'),
  page: z.int().min(1),
  pageSize: z.int().min(1),
  nextCursor: z.string().nullable(),
  searched: z
    .object({
      tasks: z.int().min(0).describe('At most 20,000.'),
      oldest: instant.nullable().describe('When the oldest of them was created; null: there are none.'),
      isComplete: z.boolean().describe('There are no older ones.'),
    })
    .optional()
    .describe(
      'With `error`, `param`, `uniqueKey`, `executorId` or another order: which tasks the page was found in; `nextCursor` goes on from there.',
    ),
})

export const taskLogLine = z.object({
  id: z.int(),
  level: z.enum(LOG_LEVELS),
  message: z.string(),
  createdAt: instant,
  attempt: z.int().nullable().describe('Null for a line that was not written by a handler.'),
  data: z.json().optional().describe('The structured fields of the line.'),
})

export const taskLogPage = z.object({
  logs: z.array(taskLogLine),
  total: z.int().min(0).optional().describe('Absent with `total=false`.'),
  searched: z.int().min(0).optional().describe('With `q`: how many lines were looked through.'),
  nextId: z
    .int()
    .nullish()
    .describe(
      'With `q`: the `afterId`, or `beforeId` in descending order, that goes on; null: this was the rest.',
    ),
  page: z.int().min(1),
  pageSize: z.int().min(1),
})

export const taskTypeView = z.object({
  taskType: z.string(),
  timeoutSeconds: z.int(),
  maxRetries: z.int(),
  retryBaseMs: z.int(),
  retry: z
    .object({ baseMs: z.int(), factor: z.number(), maxMs: z.int(), jitter: z.number() })
    .nullable()
    .describe('Backoff before a retry; null if a function computes the delay.'),
  priority: z.int(),
  concurrency: z
    .int()
    .nullable()
    .describe('Tasks of the type that run at once in one process; null: no limit.'),
  globalConcurrency: z
    .int()
    .nullable()
    .describe('Tasks of the type that run at once over all processes; null: no limit.'),
  rateLimit: z
    .object({
      max: z.int(),
      perSeconds: z.number(),
      keyed: z.boolean().describe('Each key has a limit of its own.'),
      nextPermitAt: instant
        .nullable()
        .describe(
          'When the next task may start, or the next one of a key that must wait; null: nothing has to wait.',
        ),
    })
    .nullable()
    .describe(
      'Starts of tasks of the type over all processes, at most `max` in any `perSeconds`; null: no limit.',
    ),
  paused: z.boolean().describe('Its tasks do not start; running ones continue.'),
  waitingFor: waitingFor.describe(
    '`executor`: its tasks have been due for a second, and no live executor has registered it.',
  ),
  params: z.record(z.string(), z.json()).describe('JSON Schema of the params.'),
})

export const executorView = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.int(),
  version: z.string(),
  slots: z.int(),
  runningTasks: z.array(z.string()),
  taskTypes: z.array(z.string()),
  startedAt: instant,
  heartbeatAgeMs: z.int().min(0),
  alive: z.boolean().describe('The heartbeat is younger than the lease.'),
  stuck: z.array(z.string()).describe('Tasks whose handlers ignore their signal.'),
})

export const executorIdValue = z.guid('expected the id of an executor, a UUID')

export const executorRuns = z.object({
  runs: z
    .array(
      z.object({
        taskId: z.string(),
        taskType: z.string(),
        attempt: z.int(),
        startedAt: instant,
        endedAt: instant.nullable().describe('Null while it runs.'),
        outcome: z.enum(ATTEMPT_OUTCOMES).nullable(),
      }),
    )
    .describe('Of each five seconds failures and the longest runs, at most 30.'),
  omitted: z.int().min(0).describe('Runs of this time that are not among them.'),
})
