import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  type PgTableFn,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'
import { instant } from './task-tables.ts'

const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' })

/** A whole second, which a `Date` holds exactly, so that it can be compared. */
const tick = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 0 })

/** Only the key is indexed, so that a heartbeat stays a HOT update. */
export const createExecutors = (table: PgTableFn) =>
  table('async_task_executors', {
    executorId: uuid('executor_id').primaryKey(),
    host: text('host').notNull(),
    pid: integer('pid').notNull(),
    version: text('version').notNull(),
    slots: integer('slots').notNull(),
    taskTypes: text('task_types').array().notNull(),
    leaseMs: integer('lease_ms').notNull(),
    startedAt: instant('started_at').notNull().defaultNow(),
    heartbeatAt: instant('heartbeat_at').notNull().defaultNow(),
    /** Set by a clean stop. Its types count as registered for one more lease. */
    stoppedAt: instant('stopped_at'),
    stuck: text('stuck').array().notNull().default(sql`'{}'`),
  })

/** What executors ran in the last minutes, a few seconds in a row. */
export const createRuns = (table: PgTableFn) =>
  table(
    'async_task_runs',
    {
      executorId: uuid('executor_id').notNull(),
      at: instant('at').notNull().default(sql`statement_timestamp()`),
      /** JSON text. */
      runs: text('runs').notNull(),
      /** Runs that were not kept. */
      omitted: integer('omitted').notNull(),
    },
    (t) => [primaryKey({ name: 'async_task_runs_pkey', columns: [t.executorId, t.at] })],
  )

/** A tick is taken by the statement that moves `next_run_at` and inserts the task. */
export const createSchedules = (table: PgTableFn) =>
  table(
    'async_task_schedules',
    {
      name: varchar('name', { length: 100 }).primaryKey(),
      cron: text('cron').notNull(),
      timeZone: text('time_zone').notNull(),
      taskType: varchar('task_type', { length: 100 }).notNull(),
      /** JSON text, as given: parsed by the type at each tick. */
      params: text('params').notNull().default('{}'),
      enabled: boolean('enabled').notNull().default(true),
      missed: varchar('missed', { length: 10 }).notNull().default('skip'),
      /** Code owns all of it but `enabled`. */
      declared: boolean('declared').notNull().default(false),
      /** New after each change; a tick that was planned before is void. */
      revision: uuid('revision').notNull().defaultRandom(),
      /** Null while disabled. */
      nextRunAt: tick('next_run_at'),
      lastRunAt: tick('last_run_at'),
      /** No reference: tasks are deleted, schedules stay. */
      lastTaskId: varchar('last_task_id', { length: 50 }),
      /** Why the latest tick created no task. */
      lastError: text('last_error'),
      /** The newest ticks, oldest first, each as JSON text. */
      recentTicks: text('recent_ticks').array().notNull().default(sql`'{}'`),
      createdAt: instant('created_at').notNull().defaultNow(),
      updatedAt: instant('updated_at').notNull().defaultNow(),
    },
    (t) => [
      check('async_task_schedules_missed_check', sql`${t.missed} in ('skip', 'once', 'all')`),
      check('async_task_schedules_enabled_check', sql`${t.enabled} or ${t.nextRunAt} is null`),
    ],
  )

/** Ended tasks per minute and process of versions without `async_task_figures`. Kept for hours, also by their prunes. */
export const createMinutes = (table: PgTableFn) =>
  table(
    'async_task_minutes',
    {
      minute: instant('minute').notNull(),
      source: uuid('source').notNull(),
      completed: integer('completed').notNull().default(0),
      failed: integer('failed').notNull().default(0),
      cancelled: integer('cancelled').notNull().default(0),
    },
    (t) => [primaryKey({ name: 'async_task_minutes_pkey', columns: [t.minute, t.source] })],
  )

/**
 * Figures of tasks by span of 1, 15 or 60 minutes, so that no request reads the history: of a type, and of all types
 * under the type ''.
 */
export const createFigures = (table: PgTableFn) =>
  table(
    'async_task_figures',
    {
      spanMinutes: smallint('span_minutes').notNull(),
      /** When the span begins. */
      at: instant('at').notNull(),
      taskType: varchar('task_type', { length: 100 }).notNull(),
      /** Who adds to the row: one of a few numbers, so that rows stay few and processes rarely wait for each other. */
      source: integer('source').notNull(),
      /** As `definition/figures.ts` lays them out. */
      figures: integer('figures').array().notNull(),
    },
    (t) => [
      primaryKey({ name: 'async_task_figures_pkey', columns: [t.spanMinutes, t.at, t.taskType, t.source] }),
    ],
  )

/** Failures by type and masked message, a bounded number of groups. */
export const createErrorGroups = (table: PgTableFn) =>
  table(
    'async_task_error_groups',
    {
      groupId: varchar('group_id', { length: 16 }).primaryKey(),
      taskType: varchar('task_type', { length: 100 }).notNull(),
      /** What its errors have in common; '': those beyond the bound. */
      message: text('message').notNull(),
      /** The latest error. */
      sample: text('sample').notNull(),
      /** No reference: tasks are deleted, groups stay. */
      lastTaskId: varchar('last_task_id', { length: 50 }).notNull(),
      count: bigint('count', { mode: 'number' }).notNull(),
      firstAt: instant('first_at').notNull(),
      lastAt: instant('last_at').notNull(),
      /** Null: nobody has marked it as seen, or it was back after a day without failures. */
      seenAt: instant('seen_at'),
      /** Failures of 24 hours; the last of them begins at `hours_until`. */
      hours: integer('hours').array().notNull(),
      hoursUntil: instant('hours_until').notNull(),
    },
    // Serves the bound of each type, and the list of one.
    (t) => [index('idx_async_task_error_groups_type').on(t.taskType, t.lastAt)],
  )

/** Work of one process at a time. A row, because poolers do not keep session locks. */
export const createDuties = (table: PgTableFn) =>
  table('async_task_duties', {
    name: varchar('name', { length: 50 }).primaryKey(),
    holder: uuid('holder').notNull(),
    /** Until then no other process takes it. */
    until: instant('until').notNull(),
  })

/** Cancels of tasks whose rows were locked. No foreign key: its check would wait for the locked row. */
export const createCancelRequests = (table: PgTableFn) =>
  table('async_task_cancel_requests', {
    taskId: varchar('task_id', { length: 50 }).primaryKey(),
    requestedAt: instant('requested_at').notNull().defaultNow(),
  })

/** Settings of a type in all processes. Without a row, a type is not paused and has no follow-up. */
export const createTypes = (table: PgTableFn) =>
  table('async_task_types', {
    taskType: varchar('task_type', { length: 100 }).primaryKey(),
    pausedAt: instant('paused_at'),
    /** Type of the task that a final failure creates, and its options; null: none. */
    onFailed: varchar('on_failed', { length: 100 }),
    onFailedPriority: smallint('on_failed_priority'),
    onFailedMaxRetries: integer('on_failed_max_retries'),
    onFailedTimeoutSeconds: integer('on_failed_timeout_seconds'),
    /** Version of its claims, where it has a limit over all processes: shows whether a count is still true. */
    claims: bigint('claims', { mode: 'number' }).notNull().default(0),
  })

/** '' is the key where only the type has a limit. Counted as they are, by the database's clock. */
export const createStarts = (table: PgTableFn) =>
  table(
    'async_task_starts',
    {
      taskType: varchar('task_type', { length: 100 }).notNull(),
      rateKey: text('rate_key').notNull(),
      startedAt: instant('started_at').notNull(),
    },
    // Serves counts of the starts of a type and key since an instant.
    (t) => [index('idx_async_task_starts').on(t.taskType, t.rateKey, t.startedAt)],
  )

/**
 * Changed tasks, for streams of all tasks; kept for minutes. Read by comparing snapshots, so that late commits are
 * found.
 */
export const createChanges = (table: PgTableFn) =>
  table(
    'async_task_changes',
    {
      id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
      xid: transactionId('xid').notNull().default(sql`pg_current_xact_id()`),
      /** No references: deleted tasks are among them. */
      taskIds: text('task_ids').array().notNull(),
      /** The creator of each, where the tasks were deleted; null in other reports, and in those of earlier versions. */
      createdBy: text('created_by').array(),
      createdAt: instant('created_at').notNull().defaultNow(),
    },
    (t) => [index('idx_async_task_changes_xid').on(t.xid)],
  )

/** Who changed what. Entries outlive tasks, types and schedules. */
export const createAudit = (table: PgTableFn) =>
  table(
    'async_task_audit',
    {
      id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().notNull(),
      at: instant('at').notNull().default(sql`statement_timestamp()`),
      /** Null: unknown. */
      actorId: text('actor_id'),
      actorName: text('actor_name'),
      action: text('action').notNull(),
      /** Id of a task, name of a type or schedule, or a user; null: none. */
      subject: text('subject'),
      /** `ok`, or the code of the error. */
      outcome: text('outcome').notNull(),
      requestId: text('request_id'),
      address: text('address'),
    },
    (t) => [
      // Each serves a filter in the order of the list; the first one the retention, too.
      primaryKey({ name: 'async_task_audit_pkey', columns: [t.at, t.id] }),
      index('idx_async_task_audit_actor').on(t.actorId, t.at, t.id),
      index('idx_async_task_audit_action').on(t.action, t.at, t.id),
      index('idx_async_task_audit_subject').on(t.subject, t.at, t.id),
    ],
  )
