import { hostname } from 'node:os'
import { vi } from 'vitest'
import { createDatabase } from '../../src/db/database.ts'
import { ErrorCounts, errorGroupOf } from '../../src/engine/definition/error-groups.ts'
import { addEnd, addRun, addWait, type Figures, noFigures } from '../../src/engine/definition/figures.ts'
import type { TaskManager } from '../../src/engine/manager/manager.ts'
import { addFigures } from '../../src/engine/store/figures.ts'
import { addRuns } from '../../src/engine/store/runs.ts'
import type { TestDatabase } from '../support/database.ts'
import type { PageServer } from './admin-page.ts'
import { type NightTask, nightTasks } from './night-tasks.ts'

const ALIVE = '00000000-0000-4000-8000-0000000a11fe'
const DEAD = '00000000-0000-4000-8000-00000000dead'
const MIA = { id: 'u-mia', name: 'Mia' }
const ROWS = 10_000
const HOUR_MS = 3_600_000

export const PAUSED_PENDING = 120
export const LATER_PENDING = 30

/** What somebody has to find. */
export interface Night {
  /** Of a task that was cancelled and whose handler goes on. */
  readonly stuck: string
  /** What the executor beside it runs. */
  readonly running: string
  /** Lost with the dead executor, and completed by another one. */
  readonly lost: string
  readonly deleted: string
}

/**
 * Puts a night into the database, as the engine would have kept it: so many tasks of four types, of which three fail, their
 * figures and errors, a paused type, a dead executor, a handler that ignores its signal, and a schedule that failed.
 */
export async function playNight(server: PageServer, database: TestDatabase, count: number): Promise<Night> {
  const { tasks } = server.app
  await addExecutors(database)
  const night = {
    stuck: await runOn(ALIVE, tasks, database),
    running: await runOn(ALIVE, tasks, database),
    lost: await loseTask(tasks, database),
    deleted: (await tasks.createTask('watch_inbox', {}, { delayMs: HOUR_MS })).taskId,
  }
  await tasks.cancelTask(night.stuck, { actor: MIA })
  await database.pool.query('update async_task_executors set stuck = array[$1] where executor_id = $2', [
    night.stuck,
    ALIVE,
  ])
  await tasks.cancelTask(night.deleted, { actor: MIA })
  await tasks.deleteTask(night.deleted, { actor: MIA })
  await tasks.pauseTaskType('export_report', { actor: MIA })
  await createPending(tasks, 'export_report', PAUSED_PENDING, 0)
  await createPending(tasks, 'send_reminder', LATER_PENDING, HOUR_MS)
  await failSchedule(tasks, database)
  // At last: what fails now has failed in the last minutes.
  const end = Date.now()
  const ended = nightTasks(count)
  await insertTasks(database, ended, end)
  await keepFigures(database, ended, end)
  await database.pool.query('analyze')
  return night
}

async function createPending(tasks: TaskManager, task: string, count: number, delayMs: number) {
  await tasks.createTasks(Array.from({ length: count }, () => ({ task, delayMs })))
}

async function insertTasks({ pool }: TestDatabase, all: readonly NightTask[], end: number): Promise<void> {
  const rows = all.map(({ taskType, ageMs, waitMs, runMs, param: [key, value], error }, n) => ({
    ...{ task_id: `task_night${n}`, task_type: taskType, error, key, value: JSON.stringify(value) },
    status: error === null ? 'completed' : 'failed',
    error_group: error && errorGroupOf(taskType, error),
    created: new Date(end - ageMs),
    started: new Date(end - ageMs + waitMs),
    ended: new Date(end - ageMs + waitMs + runMs),
  }))
  const given = `json_to_recordset($1::text::json) as given (task_id text, task_type text, status text, error text,
    error_group text, key text, value text, created timestamptz, started timestamptz, ended timestamptz)`
  for (let from = 0; from < rows.length; from += ROWS) {
    const values = [JSON.stringify(rows.slice(from, from + ROWS))]
    await pool.query(
      `insert into async_tasks (task_id, task_type, status, attempt, executor_id, max_retries, error_message, error_group,
                                run_at, created_at, started_at, completed_at)
       select task_id, task_type, status, 1, '${ALIVE}', 0, error, error_group, created, created, started, ended
         from ${given}`,
      values,
    )
    await pool.query(
      `insert into async_task_params (task_id, key, value) select task_id, key, value from ${given}`,
      values,
    )
    await pool.query(
      `insert into async_task_attempts (task_id, attempt, executor_id, started_at, ended_at, outcome, error, stack)
       select task_id, 1, '${ALIVE}', started, ended, 'failed', error,
              'Error: ' || error || E'\\n    at ' || task_type || ' (file:///srv/shop/tasks/' || task_type || '.js:31:11)'
         from ${given} where error is not null`,
      values,
    )
    await pool.query(
      `insert into async_task_logs (task_id, attempt, level, message, created_at)
       select task_id, 1, 'ERROR', 'giving up: ' || error, ended from ${given} where error is not null`,
      values,
    )
  }
}

/** As a process counts them: by minute of late, by quarter of an hour before. */
async function keepFigures(database: TestDatabase, all: readonly NightTask[], end: number): Promise<void> {
  const figures = new Map<string, { at: number; taskType: string; figures: Figures }>()
  const errors = new Map<number, ErrorCounts>()
  for (const [n, { taskType, ageMs, waitMs, runMs, error }] of all.entries()) {
    const endedAt = end - ageMs + waitMs + runMs
    const spanMs = end - endedAt < 2 * HOUR_MS ? 60_000 : 900_000
    const at = Math.floor(endedAt / spanMs) * spanMs
    const key = `${at} ${taskType}`
    const kept = figures.get(key) ?? { at, taskType, figures: noFigures() }
    figures.set(key, kept)
    addWait(kept.figures, waitMs)
    addRun(kept.figures, runMs)
    addEnd(kept.figures, error === null ? 'completed' : 'failed')
    if (error === null) continue
    const counts = errors.get(at) ?? new ErrorCounts()
    errors.set(at, counts)
    counts.add(taskType, `task_night${n}`, error)
  }
  const { pool, prepared, schema } = database
  const now = Date.now()
  await addFigures(
    createDatabase(pool, { prepared, schema }),
    0,
    [...figures.values()].map(({ at, ...rest }) => ({ ageMs: now - at, ...rest })),
    [...errors].flatMap(([at, counts]) => counts.list().map((group) => ({ ...group, ageMs: now - at }))),
  )
}

/** One that lives for an hour without a process, and one that died two minutes ago. */
async function addExecutors({ pool, prepared, schema }: TestDatabase): Promise<void> {
  await pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, started_at, heartbeat_at)
     values ($1, $3, 7002, '0.1.0', 4, array['watch_inbox'], 3600000, now() - interval '2 days', now()),
            ($2, $3, 7003, '0.1.0', 4, array['watch_inbox'], 30000, now() - interval '2 days', now() - interval '2 minutes')`,
    [ALIVE, DEAD, `${hostname()}-2`],
  )
  const run = { taskId: 'task_night1', taskType: 'thumbnail', attempt: 1, outcome: 'completed' } as const
  await addRuns(
    createDatabase(pool, { prepared, schema }),
    DEAD,
    [{ ...run, ageMs: 0, durationMs: 9_000 }],
    0,
  )
}

/** A task that an executor without a process runs. */
async function runOn(executorId: string, tasks: TaskManager, { pool }: TestDatabase): Promise<string> {
  const { taskId } = await tasks.createTask('watch_inbox', {}, { delayMs: HOUR_MS })
  await pool.query(
    `update async_tasks set status = 'running', attempt = 1, executor_id = $2, run_at = now(), started_at = now()
      where task_id = $1`,
    [taskId, executorId],
  )
  return taskId
}

/** The engine itself takes it from the dead one, and runs it again. */
async function loseTask(tasks: TaskManager, database: TestDatabase): Promise<string> {
  const taskId = await runOn(DEAD, tasks, database)
  await tasks.waitFor(taskId)
  return taskId
}

async function failSchedule(tasks: TaskManager, { pool }: TestDatabase): Promise<void> {
  const monthly = { cron: '0 2 1 * *', task: 'close_books', params: { month: '2026-11' } }
  await tasks.createSchedule({ name: 'close_books', ...monthly })
  await pool.query(
    `update async_task_schedules set params = '{"month": 11}', next_run_at = date_trunc('second', now())
      where name = 'close_books'`,
  )
  // A change by the engine wakes the scheduler.
  await tasks.createSchedule({ name: 'close_quarter', ...monthly })
  const failed = `select from async_task_schedules where last_error is not null`
  await vi.waitUntil(async () => (await pool.query(failed)).rowCount === 1, { timeout: 90_000 })
}
