import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'

/** Instants are `timestamptz`; only the database's clock writes them. */
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** The number of a transaction, which never wraps around. */
const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' })

/**
 * One row a task. `(task_id, attempt, executor_id)` while `running` is the fence of every write of a run. Its fillfactor,
 * 90, is in the migration `0002_fillfactor`: Drizzle has no word for it.
 */
export const asyncTasks = pgTable(
  'async_tasks',
  {
    id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    taskId: varchar('task_id', { length: 50 }).notNull().unique('async_tasks_task_id_key'),
    taskType: varchar('task_type', { length: 100 }).notNull(),
    status: varchar('status', { length: 20 }).notNull().default('pending'),
    priority: smallint('priority').notNull().default(0),
    runAt: instant('run_at').notNull().defaultNow(),
    /** Counts claims, never reset: half of the fence. */
    attempt: integer('attempt').notNull().default(0),
    /** Who runs it, or ran it last; null while pending. */
    executorId: uuid('executor_id'),
    /** The row has ended (cancelled, failed) while the handler of its last attempt had not returned. */
    stopping: boolean('stopping').notNull().default(false),
    /** Of a type with a limit over all processes: what it shares its place with; '' where only the type counts. */
    concurrencyKey: text('concurrency_key'),
    progress: integer('progress').notNull().default(0),
    total: integer('total').notNull().default(0),
    step: text('step'),
    /** JSON text, so that it comes back as it went in. */
    result: text('result'),
    errorMessage: text('error_message'),
    retryCount: integer('retry_count').notNull().default(0),
    maxRetries: integer('max_retries').notNull().default(3),
    timeoutSeconds: integer('timeout_seconds').notNull().default(14_400),
    createdBy: text('created_by'),
    /** At most one unfinished task has it. */
    uniqueKey: varchar('unique_key', { length: 255 }),
    createdAt: instant('created_at').notNull().defaultNow(),
    startedAt: instant('started_at'),
    completedAt: instant('completed_at'),
    cancelledAt: instant('cancelled_at'),
  },
  (t) => [
    check(
      'async_tasks_status_check',
      sql`${t.status} in ('pending', 'running', 'completed', 'failed', 'cancelled')`,
    ),
    check(
      'async_tasks_progress_check',
      sql`${t.progress} >= 0 and ${t.total} >= 0 and (${t.total} = 0 or ${t.progress} <= ${t.total})`,
    ),
    // The claim: one type's due tasks in the order they are taken. Drizzle's desc() means nulls last, which an
    // `order by … desc` cannot use: hence nullsFirst().
    index('idx_async_tasks_due')
      .on(t.taskType, t.priority.desc().nullsFirst(), t.runAt, t.id)
      .where(sql`${t.status} = 'pending'`),
    // An executor's own running rows: heartbeat, hand-back, the executors list, the list of running tasks.
    index('idx_async_tasks_running').on(t.executorId, t.id).where(sql`${t.status} = 'running'`),
    // One unfinished task a key, over all types; also the look for the one that has it.
    uniqueIndex('idx_async_tasks_unique_key')
      .on(t.uniqueKey)
      .where(sql`${t.uniqueKey} is not null and ${t.status} in ('pending', 'running')`),
    // What counts against a limit over all processes: nothing where no type has one.
    index('idx_async_tasks_limited')
      .on(t.taskType, t.concurrencyKey)
      .where(sql`${t.concurrencyKey} is not null and (${t.status} = 'running' or ${t.stopping})`),
    // The first due task of each key, hopped from key to key: a long backlog of one key hides no other.
    index('idx_async_tasks_keys')
      .on(t.taskType, t.concurrencyKey, t.priority.desc().nullsFirst(), t.runAt, t.id)
      .where(sql`${t.concurrencyKey} <> '' and ${t.status} = 'pending'`),
    // The lists, newest first, read backwards: of one status, and of one status of one type; several are merged.
    // Ascending, because rows come in that order and full pages are then left behind. Running rows are few and would
    // cost each claim two entries. The word about created_at, which is true of every row, keeps them for the lists,
    // which repeat it: where no task is pending, a claim would find one of these as cheap as its own index.
    index('idx_async_tasks_status')
      .on(t.status, t.createdAt, t.id)
      .where(sql`${t.status} <> 'running' and ${t.createdAt} >= '-infinity'`),
    index('idx_async_tasks_created_at')
      .on(t.taskType, t.status, t.createdAt, t.id)
      .where(sql`${t.status} <> 'running' and ${t.createdAt} >= '-infinity'`),
    // The lists of one creator. A task without a creator, such as one of a schedule, costs no entry.
    index('idx_async_tasks_created_by')
      .on(t.createdBy, t.status, t.createdAt, t.id)
      .where(sql`${t.createdBy} is not null and ${t.status} <> 'running' and ${t.createdAt} >= '-infinity'`),
  ],
)

const ownerTaskId = () =>
  varchar('task_id', { length: 50 })
    .notNull()
    .references(() => asyncTasks.taskId, { onDelete: 'cascade' })

export const asyncTaskParams = pgTable(
  'async_task_params',
  {
    id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    taskId: ownerTaskId(),
    key: varchar('key', { length: 100 }).notNull(),
    /** JSON text: `"600519"`, `600519`, `true` and `null` stay what they were. */
    value: text('value').notNull(),
  },
  (t) => [unique('async_task_params_task_id_key_key').on(t.taskId, t.key)],
)

export const asyncTaskLogs = pgTable(
  'async_task_logs',
  {
    id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    taskId: ownerTaskId(),
    /** Null for a line that was written from outside a run. */
    attempt: integer('attempt'),
    level: varchar('level', { length: 20 }).notNull(),
    message: text('message').notNull(),
    /** Structured fields of the line, JSON text. */
    data: text('data'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [
    check('async_task_logs_level_check', sql`${t.level} in ('DEBUG', 'INFO', 'WARNING', 'ERROR')`),
    // A task's log, a page at a time, in the order it was written: lines of one batch may share an instant.
    index('idx_async_task_logs_task_id').on(t.taskId, t.id),
  ],
)

/** Attempts that ended without completing; the latest attempt of a task is derived from its row. */
export const asyncTaskAttempts = pgTable(
  'async_task_attempts',
  {
    taskId: ownerTaskId(),
    attempt: integer('attempt').notNull(),
    executorId: uuid('executor_id'),
    startedAt: instant('started_at').notNull(),
    endedAt: instant('ended_at').notNull().defaultNow(),
    outcome: varchar('outcome', { length: 20 }).notNull(),
    error: text('error'),
    /** Where it was thrown; null for an attempt that threw nothing. */
    stack: text('stack'),
  },
  (t) => [primaryKey({ name: 'async_task_attempts_pkey', columns: [t.taskId, t.attempt] })],
)

/** One row a running executor. Nothing in it is indexed but its key, so that a heartbeat stays a HOT update. */
export const asyncTaskExecutors = pgTable('async_task_executors', {
  executorId: uuid('executor_id').primaryKey(),
  host: text('host').notNull(),
  pid: integer('pid').notNull(),
  version: text('version').notNull(),
  slots: integer('slots').notNull(),
  taskTypes: text('task_types').array().notNull(),
  leaseMs: integer('lease_ms').notNull(),
  startedAt: instant('started_at').notNull().defaultNow(),
  heartbeatAt: instant('heartbeat_at').notNull().defaultNow(),
  /** Set by a clean stop. The row stays for a while: its types count as registered for one more lease. */
  stoppedAt: instant('stopped_at'),
  /** Task ids whose handlers ignore their signal. */
  stuck: text('stuck').array().notNull().default(sql`'{}'`),
})

/** A tick: a whole second, which a `Date` holds exactly, so that it can be compared with what was read. */
const tick = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 0 })

/** One row a schedule. Its next tick is taken by whoever moves `next_run_at` on, in the statement that makes the task. */
export const asyncTaskSchedules = pgTable(
  'async_task_schedules',
  {
    name: varchar('name', { length: 100 }).primaryKey(),
    cron: text('cron').notNull(),
    timeZone: text('time_zone').notNull(),
    taskType: varchar('task_type', { length: 100 }).notNull(),
    /** JSON text, as given: the type parses it at each tick. */
    params: text('params').notNull().default('{}'),
    enabled: boolean('enabled').notNull().default(true),
    missed: varchar('missed', { length: 10 }).notNull().default('skip'),
    /** An app's code owns all of it but `enabled`. */
    declared: boolean('declared').notNull().default(false),
    /** Another one after each change; a tick that was planned before it counts no more. */
    revision: uuid('revision').notNull().defaultRandom(),
    /** Null while disabled. */
    nextRunAt: tick('next_run_at'),
    lastRunAt: tick('last_run_at'),
    /** No reference: tasks are deleted, schedules stay. */
    lastTaskId: varchar('last_task_id', { length: 50 }),
    /** Why the latest tick made no task. */
    lastError: text('last_error'),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (t) => [
    check('async_task_schedules_missed_check', sql`${t.missed} in ('skip', 'once', 'all')`),
    check('async_task_schedules_enabled_check', sql`${t.enabled} or ${t.nextRunAt} is null`),
  ],
)
/**
 * Ends of tasks by minute: one row a minute and process, which adds to it every few seconds. Kept for a few hours, and
 * on its own, so that a rate can be told without an index on the ends of tasks and whatever is deleted.
 */
export const asyncTaskMinutes = pgTable(
  'async_task_minutes',
  {
    minute: instant('minute').notNull(),
    /** The process that counted. */
    source: uuid('source').notNull(),
    completed: integer('completed').notNull().default(0),
    failed: integer('failed').notNull().default(0),
    cancelled: integer('cancelled').notNull().default(0),
  },
  (t) => [primaryKey({ name: 'async_task_minutes_pkey', columns: [t.minute, t.source] })],
)

/** Work that one process at a time does for all of them. A row, because poolers do not keep session locks. */
export const asyncTaskDuties = pgTable('async_task_duties', {
  name: varchar('name', { length: 50 }).primaryKey(),
  /** Who has it, or had it last. */
  holder: uuid('holder').notNull(),
  /** Nobody else takes it before this instant. */
  until: instant('until').notNull(),
})

/**
 * Cancels of tasks whose rows were locked. No foreign key: its check would wait for the row that is locked. Rows go when
 * the task is cancelled, retried or has ended otherwise.
 */
export const asyncTaskCancelRequests = pgTable('async_task_cancel_requests', {
  taskId: varchar('task_id', { length: 50 }).primaryKey(),
  requestedAt: instant('requested_at').notNull().defaultNow(),
})

/** What holds for all tasks of a type, in all processes. A type without a row is not paused. */
export const asyncTaskTypes = pgTable('async_task_types', {
  taskType: varchar('task_type', { length: 100 }).primaryKey(),
  /** Not claimed since then; null: claimed. */
  pausedAt: instant('paused_at'),
  /** Claims that took tasks of it, where it has a limit over all processes: tells whether a count is still true. */
  claims: bigint('claims', { mode: 'number' }).notNull().default(0),
})

/**
 * Tasks that changed, for those who watch all tasks: what polling a few indexes cannot find. Kept for minutes. Found by
 * the transactions that one snapshot shows and an earlier one did not: however late they commit, none is missed.
 */
export const asyncTaskChanges = pgTable(
  'async_task_changes',
  {
    id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    xid: transactionId('xid').notNull().default(sql`pg_current_xact_id()`),
    /** No references: tasks that were deleted are among them. */
    taskIds: text('task_ids').array().notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [index('idx_async_task_changes_xid').on(t.xid)],
)
