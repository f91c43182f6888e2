import { z } from 'zod'

/** The five statuses; no other exists. */
export const TASK_STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** How an attempt ended; null in a view while it runs. */
export const ATTEMPT_OUTCOMES = [
  'completed',
  'failed',
  'timed_out',
  'cancelled',
  'interrupted',
  'lost',
] as const
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number]

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

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

/** A task as lists show it. */
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
  runAt: instant.describe('When it is due, or was.'),
  retryCount: z.int().min(0),
  maxRetries: z.int().min(0),
  error: z.string().nullable().describe('The last error.'),
})
export type TaskSummary = z.output<typeof taskSummary>

export const taskAttempt = z.object({
  attempt: z.int().min(1),
  startedAt: instant,
  endedAt: instant.nullable(),
  outcome: z.enum(ATTEMPT_OUTCOMES).nullable().describe('Null while it runs.'),
  error: z.string().nullable(),
  stack: z.string().nullable().describe('Where it was thrown; null for an attempt that threw nothing.'),
})
export type TaskAttempt = z.output<typeof taskAttempt>

/** A task with everything that is known of it. */
export const taskDetail = taskSummary.extend({
  params: z.record(z.string(), z.json()),
  result: z.json().nullable(),
  createdBy: z.string().nullable(),
  timeoutSeconds: z.int(),
  priority: z.int(),
  uniqueKey: z.string().nullable().describe('At most one unfinished task has it.'),
  concurrencyKey: z.string().nullable(),
  stopping: z
    .boolean()
    .describe('It was cancelled, or given up, while its handler ran, and the handler has not returned.'),
  executorId: z.string().nullable().describe('Who runs it, or ran it last.'),
  waitingFor: waitingFor.describe(
    'It has been due for a second, and no living executor has registered its type.',
  ),
  attempts: z.array(taskAttempt),
})
export type TaskDetail = z.output<typeof taskDetail>

export const taskList = z.object({
  tasks: z.array(taskSummary),
  total: z.int().min(0),
  totalIsEstimate: z.literal(true).optional().describe('There are more than `total`.'),
  page: z.int().min(1),
  pageSize: z.int().min(1),
  nextCursor: z.string().nullable(),
})
export type TaskList = z.output<typeof taskList>

export const taskLogLine = z.object({
  id: z.int(),
  level: z.enum(LOG_LEVELS),
  message: z.string(),
  createdAt: instant,
  attempt: z.int().nullable().describe('Null for a line written from outside a run.'),
  data: z.json().optional().describe('The structured fields of the line.'),
})
export type TaskLogLine = z.output<typeof taskLogLine>

export const taskLogPage = z.object({
  logs: z.array(taskLogLine),
  total: z.int().min(0),
  page: z.int().min(1),
  pageSize: z.int().min(1),
})
export type TaskLogPage = z.output<typeof taskLogPage>

export const taskTypeView = z.object({
  taskType: z.string(),
  timeoutSeconds: z.int(),
  maxRetries: z.int(),
  retryBaseMs: z.int(),
  retry: z
    .object({ baseMs: z.int(), factor: z.number(), maxMs: z.int(), jitter: z.number() })
    .nullable()
    .describe('How long a failed task waits for its next attempt; null where a function says.'),
  priority: z.int(),
  concurrency: z
    .int()
    .nullable()
    .describe('Tasks that run at once in one process; null: no limit of its own.'),
  globalConcurrency: z
    .int()
    .nullable()
    .describe('Tasks that run at once over all processes; null: no limit.'),
  paused: z.boolean().describe('Its tasks are not started; those that run go on.'),
  waitingFor: waitingFor.describe(
    'Tasks of it have been due for a second, and no living executor has registered it.',
  ),
  params: z.record(z.string(), z.json()).describe('JSON Schema of the params.'),
})
export type TaskTypeView = z.output<typeof taskTypeView>

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
export type ExecutorView = z.output<typeof executorView>
