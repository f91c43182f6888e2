import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  type PgTableFn,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'

/** Written by the database's clock alone. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/**
 * `(task_id, attempt, executor_id)` while `running` is the fence of every write of a run. The fillfactor of 90 is set
 * in the migration `0002_fillfactor`: Drizzle cannot express it.
 */
const taskColumns = {
  id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
  taskId: varchar('task_id', { length: 50 }).notNull().unique('async_tasks_task_id_key'),
  taskType: varchar('task_type', { length: 100 }).notNull(),
  status: varchar('status', { length: 20 }).notNull().default('pending'),
  priority: smallint('priority').notNull().default(0),
  runAt: instant('run_at').notNull().defaultNow(),
  /** Counts claims, never reset. */
  attempt: integer('attempt').notNull().default(0),
  /** Null while pending. */
  executorId: uuid('executor_id'),
  /** The row has ended while the handler of its last attempt had not returned. */
  stopping: boolean('stopping').notNull().default(false),
  /** The key under which it counts against a limit over all processes; '' where only the type counts. */
  concurrencyKey: text('concurrency_key'),
  /** The key under which its starts count against the type's rate limit; null: that of the type alone. */
  rateKey: text('rate_key'),
  progress: integer('progress').notNull().default(0),
  total: integer('total').notNull().default(0),
  step: text('step'),
  /** JSON text. */
  result: text('result'),
  errorMessage: text('error_message'),
  /** Group of the error, where the task has failed for good; see `definition/error-groups.ts`. */
  errorGroup: varchar('error_group', { length: 16 }),
  retryCount: integer('retry_count').notNull().default(0),
  maxRetries: integer('max_retries').notNull().default(3),
  timeoutSeconds: integer('timeout_seconds').notNull().default(14_400),
  createdBy: text('created_by'),
  uniqueKey: varchar('unique_key', { length: 255 }),
  createdAt: instant('created_at').notNull().defaultNow(),
  startedAt: instant('started_at'),
  completedAt: instant('completed_at'),
  cancelledAt: instant('cancelled_at'),
  /** Not started from then on; null: no such limit. */
  expiresAt: instant('expires_at'),
  /** When its params, priority or due time were last changed while it waited: one stream watches the row for it. */
  changedAt: instant('changed_at'),
  /** The span of its create, as W3C's `traceparent` and, after a space, `tracestate`; null: not traced. */
  traceContext: text('trace_context'),
}

export const createTasks = (table: PgTableFn) =>
  table('async_tasks', taskColumns, (t) => [
    check(
      'async_tasks_status_check',
      sql`${t.status} in ('pending', 'running', 'completed', 'failed', 'cancelled')`,
    ),
    check(
      'async_tasks_progress_check',
      sql`${t.progress} >= 0 and ${t.total} >= 0 and (${t.total} = 0 or ${t.progress} <= ${t.total})`,
    ),
    // Serves the claim: a type's due tasks in order. Drizzle's desc() means nulls last, which `order by … desc` cannot
    // use.
    index('idx_async_tasks_due')
      .on(t.taskType, t.priority.desc().nullsFirst(), t.runAt, t.id)
      .where(sql`${t.status} = 'pending'`),
    // Serves heartbeats, releases, and the lists of executors and running tasks.
    index('idx_async_tasks_running').on(t.executorId, t.id).where(sql`${t.status} = 'running'`),
    // One unfinished task per key, over all types; also finds the holder of a key.
    uniqueIndex('idx_async_tasks_unique_key')
      .on(t.uniqueKey)
      .where(sql`${t.uniqueKey} is not null and ${t.status} in ('pending', 'running')`),
    // Serves counts of permits; empty where no type has a limit over all processes.
    index('idx_async_tasks_limited')
      .on(t.taskType, t.concurrencyKey)
      .where(sql`${t.concurrencyKey} is not null and (${t.status} = 'running' or ${t.stopping})`),
    // Serves claims by key: a loose index scan over the keys, however long one key's backlog is.
    index('idx_async_tasks_keys')
      .on(t.taskType, t.concurrencyKey, t.priority.desc().nullsFirst(), t.runAt, t.id)
      .where(sql`${t.concurrencyKey} <> '' and ${t.status} = 'pending'`),
    // Serves claims by rate key, in the same way.
    index('idx_async_tasks_rate_keys')
      .on(t.taskType, t.rateKey, t.priority.desc().nullsFirst(), t.runAt, t.id)
      .where(sql`${t.rateKey} <> '' and ${t.status} = 'pending'`),
    // Serves the search for the next due time; no entry for a task that is due from its creation.
    index('idx_async_tasks_delayed')
      .on(t.taskType, t.runAt)
      .where(sql`${t.status} = 'pending' and ${t.runAt} > ${t.createdAt}`),
    // Serves the end of expired tasks: no entry for a task without an expiry.
    index('idx_async_tasks_expires')
      .on(t.expiresAt)
      .where(sql`${t.expiresAt} is not null and ${t.status} = 'pending'`),
    // Serve the lists, newest first, read backwards. Ascending, because rows are inserted in that order and leave full
    // pages. Without running rows, which would cost each claim two entries. The condition on created_at is true of
    // every row and keeps claims from these indexes.
    index('idx_async_tasks_status')
      .on(t.status, t.createdAt, t.id)
      .where(sql`${t.status} <> 'running' and ${t.createdAt} >= '-infinity'`),
    index('idx_async_tasks_created_at')
      .on(t.taskType, t.status, t.createdAt, t.id)
      .where(sql`${t.status} <> 'running' and ${t.createdAt} >= '-infinity'`),
    // The failed tasks of an error group, newest first.
    index('idx_async_tasks_error_group')
      .on(t.errorGroup, t.createdAt, t.id)
      .where(sql`${t.errorGroup} is not null and ${t.status} = 'failed'`),
    // The lists of one creator. A task without a creator, such as one of a schedule, costs no entry.
    index('idx_async_tasks_created_by')
      .on(t.createdBy, t.status, t.createdAt, t.id)
      .where(sql`${t.createdBy} is not null and ${t.status} <> 'running' and ${t.createdAt} >= '-infinity'`),
  ])

/** The table that others refer to. */
export type TasksTable = ReturnType<typeof createTasks>

const ownerTaskId = (tasks: TasksTable) =>
  varchar('task_id', { length: 50 })
    .notNull()
    .references(() => tasks.taskId, { onDelete: 'cascade' })

/** Params, one row for each key. */
export const createParams = (table: PgTableFn, tasks: TasksTable) =>
  table(
    'async_task_params',
    {
      id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
      taskId: ownerTaskId(tasks),
      key: varchar('key', { length: 100 }).notNull(),
      /** JSON text: `"600519"`, `600519`, `true` and `null` stay distinct. */
      value: text('value').notNull(),
    },
    (t) => [unique('async_task_params_task_id_key_key').on(t.taskId, t.key)],
  )

/** Lines of the tasks' logs. */
export const createLogs = (table: PgTableFn, tasks: TasksTable) =>
  table(
    'async_task_logs',
    {
      id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
      taskId: ownerTaskId(tasks),
      /** Null: written from outside a run. */
      attempt: integer('attempt'),
      level: varchar('level', { length: 20 }).notNull(),
      message: text('message').notNull(),
      /** JSON text. */
      data: text('data'),
      createdAt: instant('created_at').notNull().defaultNow(),
    },
    (t) => [
      check('async_task_logs_level_check', sql`${t.level} in ('DEBUG', 'INFO', 'WARNING', 'ERROR')`),
      // Serves pages of a log in writing order: lines of a batch may share an instant.
      index('idx_async_task_logs_task_id').on(t.taskId, t.id),
    ],
  )

/** Attempts that did not complete; the latest attempt of a task is derived from its row. */
export const createAttempts = (table: PgTableFn, tasks: TasksTable) =>
  table(
    'async_task_attempts',
    {
      taskId: ownerTaskId(tasks),
      attempt: integer('attempt').notNull(),
      executorId: uuid('executor_id'),
      startedAt: instant('started_at').notNull(),
      endedAt: instant('ended_at').notNull().defaultNow(),
      outcome: varchar('outcome', { length: 20 }).notNull(),
      error: text('error'),
      /** Null if the attempt threw nothing. */
      stack: text('stack'),
      /** False: a retry follows that is not counted. Null: its outcome decides. */
      spentRetry: boolean('spent_retry'),
    },
    (t) => [primaryKey({ name: 'async_task_attempts_pkey', columns: [t.taskId, t.attempt] })],
  )

// Sleeps are here from their beginning: the next attempt passes them. `kept_after`: the
// completed attempt after which an operator kept a step. The index serves the newest steps, and those after one of them.
/** Finished steps, with results as JSON text, and sleeps. */
export const createSteps = (table: PgTableFn, tasks: TasksTable) =>
  table(
    'async_task_steps',
    {
      id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().notNull(),
      taskId: ownerTaskId(tasks),
      name: varchar('name', { length: 200 }).notNull(),
      attempt: integer('attempt').notNull(),
      result: text('result'),
      startedAt: instant('started_at').notNull(),
      endedAt: instant('ended_at').notNull(),
      keptAfter: integer('kept_after'),
    },
    (t) => [primaryKey({ columns: [t.taskId, t.name] }), index('idx_async_task_steps_id').on(t.taskId, t.id)],
  )
