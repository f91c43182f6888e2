import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { createPool, endPool } from '../../src/db/client.ts'
import { createDatabase, type Database } from '../../src/db/database.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type TaskSettingsInput, taskSettings } from '../../src/engine/definition/settings.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import { TaskManager } from '../../src/engine/manager/manager.ts'
import { TaskEvents } from '../../src/engine/runtime/events.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

/** A row as it is stored: column names, instants as text so that no microsecond is lost. */
export type StoredRow = Readonly<Record<string, unknown>>

export interface StoredTables {
  readonly tasks: StoredRow[]
  readonly params: StoredRow[]
  readonly logs: StoredRow[]
  readonly attempts: StoredRow[]
}

export interface ManagerParts {
  readonly db: Database
  readonly events: TaskEvents
  readonly manager: TaskManager
}

export interface TaskTables {
  readonly pool: pg.Pool
  readonly database: TestDatabase
  /** A manager on these tables, without an executor beside it: rows change only as the test says. */
  createManager(tasks?: readonly AnyTask[], settings?: TaskSettingsInput): ManagerParts
  /** Inserts a row with these columns; what is not given has its default. Answers the task's id. */
  insert(columns?: StoredRow): Promise<string>
  /** Changes the row as another process would. */
  set(taskId: string, columns: StoredRow): Promise<void>
  row(taskId: string): Promise<StoredRow | undefined>
  /** Everything that is stored, or of one task. */
  read(taskId?: string): Promise<StoredTables>
}

/**
 * One database for the tests of a file, its tables empty before each. With `fill`: a copy for each test of one that is
 * filled once.
 */
export function useTaskTables(fill?: (pool: pg.Pool) => Promise<void>): TaskTables {
  let database: TestDatabase
  let filled: TestDatabase | undefined
  let inserted = 0
  beforeAll(async () => {
    database = await createTestDatabase()
    if (!fill) return
    filled = database
    // Of its own, and not through a pooler: while anybody is connected there is no copying.
    const pool = createPool({ connectionString: filled.directUrl })
    try {
      await fill(pool)
    } finally {
      await endPool(pool, 5_000)
    }
  })
  beforeEach(async () => {
    if (filled) database = await createTestDatabase(filled)
    else {
      await database.pool.query(
        `truncate async_tasks, async_task_executors, async_task_types, async_task_schedules, async_task_minutes,
                  async_task_duties, async_task_figures, async_task_runs, async_task_error_groups, async_task_audit,
                  async_task_starts
         cascade`,
      )
    }
  })
  afterEach(async () => {
    if (filled) await database.drop()
  })
  afterAll(() => (filled ?? database).drop())

  const select = async (table: string, order: string, taskId: string | undefined): Promise<StoredRow[]> => {
    const { rows } = await database.pool.query<{ row: StoredRow }>(
      `select to_json(t) as row from ${table} t where $1::text is null or task_id = $1 order by ${order}`,
      [taskId],
    )
    return rows.map(({ row }) => row)
  }
  const tables: TaskTables = {
    get pool() {
      return database.pool
    },
    get database() {
      return database
    },
    createManager(tasks = [], settings = {}) {
      const registry = createTaskRegistry()
      registry.add(...tasks)
      const db = createDatabase(database.pool, { prepared: database.prepared, schema: database.schema })
      const events = new TaskEvents()
      const manager = new TaskManager({
        db,
        events,
        definitions: registry.definitions(),
        settings: taskSettings.parse(settings),
      })
      return { db, events, manager }
    },
    async insert(given = {}) {
      const taskId = `task_row${++inserted}`
      const columns = { task_id: taskId, task_type: 'inserted', ...given }
      const names = Object.keys(columns)
      await database.pool.query(
        `insert into async_tasks (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
        Object.values(columns),
      )
      return String(columns.task_id)
    },
    async set(taskId, columns) {
      const changes = Object.keys(columns).map((name, i) => `${name} = $${i + 2}`)
      await database.pool.query(`update async_tasks set ${changes.join(', ')} where task_id = $1`, [
        taskId,
        ...Object.values(columns),
      ])
    },
    row: async (taskId) => (await select('async_tasks', 'id', taskId))[0],
    read: async (taskId) => ({
      tasks: await select('async_tasks', 'id', taskId),
      params: await select('async_task_params', 'task_id, key', taskId),
      logs: await select('async_task_logs', 'id', taskId),
      attempts: await select('async_task_attempts', 'task_id, attempt', taskId),
    }),
  }
  return tables
}

/** A finished step, and a sleep of an hour. */
export async function insertSteps(pool: pg.Pool, taskId: string): Promise<void> {
  await pool.query(
    `insert into async_task_steps (task_id, name, attempt, result, started_at, ended_at)
     values ($1, 'load', 1, '{"day":1}', now(), now()), ($1, 'wait', 1, null, now(), now() + interval '1 hour')`,
    [taskId],
  )
}

export const SOME_EXECUTOR = '00000000-0000-4000-8000-000000000001'
export const OTHER_EXECUTOR = '00000000-0000-4000-8000-000000000002'

/** The columns of a task in each status, as the engine leaves them after its first attempt. */
export function inStatus(status: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'): StoredRow {
  if (status === 'pending') return { status }
  const started = { attempt: 1, executor_id: SOME_EXECUTOR, started_at: '2024-01-01T00:00:01Z' }
  const ended = '2024-01-01T00:00:02Z'
  switch (status) {
    case 'running':
      return { status, ...started }
    case 'completed':
      return {
        status,
        ...started,
        completed_at: ended,
        result: '{"rows":42}',
        progress: 5,
        total: 5,
        step: 's',
      }
    case 'failed':
      return {
        status,
        ...started,
        completed_at: ended,
        error_message: 'broken',
        retry_count: 3,
        progress: 2,
        total: 5,
      }
    case 'cancelled':
      return { status, ...started, cancelled_at: ended, progress: 2, total: 5 }
  }
}
