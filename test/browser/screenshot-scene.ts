import { hostname } from 'node:os'
import type pg from 'pg'
import { createDatabase, type Database } from '../../src/db/database.ts'
import { ErrorCounts, errorGroupOf } from '../../src/engine/definition/error-groups.ts'
import { addEnd, addRun, addWait, noFigures } from '../../src/engine/definition/figures.ts'
import { addFigures, type NewFigures } from '../../src/engine/store/figures.ts'
import { addRuns, type EndedRun } from '../../src/engine/store/runs.ts'
import type { PageServer } from './admin-page.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** What went wrong in the last day: how often, from when to when before now. */
const ERRORS: [
  taskType: string,
  count: number,
  fromMs: number,
  toMs: number,
  error: (n: number) => string,
][] = [
  [
    'backfill_by_date',
    96,
    50 * MINUTE_MS,
    20 * MINUTE_MS,
    (n) => `the source answered 503 for 2026-01-${10 + (n % 18)}`,
  ],
  ['send_invoice', 14, 20 * HOUR_MS, 2 * HOUR_MS, (n) => `invoice 2026-0${100 + n} has no address`],
  [
    'backfill_by_range',
    5,
    9 * HOUR_MS,
    8 * HOUR_MS,
    (n) => `no answer within 30 s for bars of 60${1000 + n}`,
  ],
  ['init_stocks', 3, 15 * HOUR_MS, 14 * HOUR_MS, (n) => `connect ECONNREFUSED 10.0.3.${n + 7}:443`],
]

/** The past: a day of work, and an hour of it as tasks. */
export async function writePast(pool: pg.Pool, server: PageServer): Promise<void> {
  await pool.query(
    `insert into async_tasks (task_id, task_type, status, progress, total, step, retry_count, max_retries,
       timeout_seconds, created_at, run_at, started_at, completed_at)
     select 'task_' || md5(n::text), case when n % 5 = 0 then 'init_sectors' else 'backfill_by_date' end, 'completed',
       400, 400, 'saving bars', 0, 3, 14400, at, at, at + interval '40 ms', at + interval '3 s' + n * interval '7 ms'
     from generate_series(1, 320) as n, lateral (select now() - n * interval '11 s' as at) as times`,
  )
  const db = createDatabase(pool, { prepared: false })
  await addFigures(db, 0, pastFigures())
  await writeErrors(pool, db)
  await writeRuns(pool, db, server)
  await writeAudit(pool)
  // Of each schedule the newest twenty ticks, one of which made no task.
  await pool.query(
    `update async_task_schedules set last_run_at = date_trunc('day', now()), recent_ticks = array(
       select json_build_object('at', date_trunc('day', now()) - n * interval '1 day',
                                'taskId', case when n <> 6 then 'task_' || md5((n + 1)::text) end,
                                'error', case when n = 6 then 'the market data source is not configured' end)::text
         from generate_series(19, 0, -1) n)`,
  )
}

/** Of a day in which one type went wrong for half an hour. */
function pastFigures(): NewFigures[] {
  return Array.from({ length: 24 * 60 }, (_, minute) => {
    const figures = noFigures()
    const isWrong = minute >= 20 && minute < 50
    const many = Math.round(7 + 4 * Math.sin(minute / 40) + 3 * Math.sin(minute * 1.7))
    for (let n = 0; n < many; n += 1) {
      addEnd(figures, isWrong && n % 3 === 0 ? 'failed' : 'completed')
      addWait(figures, (isWrong ? 400 : 12) * (1 + n))
      addRun(figures, 700 * (1 + (n % 5)) * (isWrong ? 3 : 1))
    }
    if (isWrong) addEnd(figures, 'retried')
    return { ageMs: minute * MINUTE_MS, taskType: minute % 4 ? 'backfill_by_date' : 'init_sectors', figures }
  })
}

async function writeErrors(pool: pg.Pool, db: Database): Promise<void> {
  for (const [taskType, count, fromMs, toMs, error] of ERRORS) {
    for (let n = 0; n < count; n += 1) {
      const ageMs = fromMs - ((fromMs - toMs) * n) / count
      const taskId = `task_${taskType}_${n}`
      await pool.query(
        `insert into async_tasks (task_id, task_type, status, attempt, retry_count, max_retries, error_message, error_group,
                                  created_at, run_at, started_at, completed_at)
         select $1, $2, 'failed', 4, 3, 3, $3, $4, at, at, at, at + interval '4 s'
           from (select now() - $5::float8 * interval '1 ms' as at) times`,
        [taskId, taskType, error(n), errorGroupOf(taskType, error(n)), ageMs],
      )
      const counts = new ErrorCounts()
      counts.add(taskType, taskId, error(n))
      const groups = counts.list().map((group) => ({ ...group, ageMs }))
      await addFigures(db, 0, [], groups)
    }
  }
}

/** Of the server's own executor, and of another one beside it. */
async function writeRuns(pool: pg.Pool, db: Database, { app }: PageServer): Promise<void> {
  const other = '0198c0de-0000-7000-8000-000000000002'
  await pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, started_at)
     select $1, $2, 4711, version, 4, task_types, 3600000, now() - interval '3 days' from async_task_executors limit 1`,
    [other, `${hostname()}-2`],
  )
  for (const { id, slots } of await app.tasks.listExecutors()) await addRuns(db, id, runsOf(slots), 0)
}

function runsOf(slots: number): EndedRun[] {
  const types = ['backfill_by_date', 'init_sectors', 'send_invoice']
  return Array.from({ length: 12 * slots }, (_, n) => {
    const outcome = n % 9 === 4 ? 'failed' : 'completed'
    const startMs = Math.floor(n / slots) * 70_000 + (n % slots) * 9_000
    return {
      ...{ taskId: `task_send_invoice_${n % 14}`, taskType: types[n % 3] ?? '', attempt: 1, outcome },
      ...{ ageMs: startMs, durationMs: 15_000 + ((n * 7_919) % 40_000) },
    }
  })
}

async function writeAudit(pool: pg.Pool): Promise<void> {
  const entries: [minutes: number, who: string, action: string, subject: string, outcome: string][] = [
    [310, 'mia', 'schedule.update', 'load_day_bars', 'ok'],
    [252, 'jon', 'task.run_now', 'task_send_invoice_4', 'ok'],
    [130, 'mia', 'task.retry', 'task_send_invoice_9', 'ok'],
    [75, 'jon', 'task.delete', 'task_backfill_by_date_2', 'TASK_NOT_FINISHED'],
    [48, 'mia', 'type.pause', 'backfill_by_date', 'ok'],
    [21, 'mia', 'type.resume', 'backfill_by_date', 'ok'],
    [19, 'mia', 'task.bulk', 'backfill_by_date', 'ok'],
  ]
  for (const [minutes, who, action, subject, outcome] of entries) {
    await pool.query(
      `insert into async_task_audit (at, actor_id, actor_name, action, subject, outcome, request_id, address)
       values (now() - $1::int * interval '1 minute', 'id-of-' || $2::text, $2, $3, $4, $5, 'req-' || $1::int, '10.0.0.12')`,
      [minutes, who, action, subject, outcome],
    )
  }
}

export interface Present {
  readonly running: string
  readonly listening: string
  readonly failed: string
}

export async function writePresent({ app: { tasks } }: PageServer): Promise<Present> {
  const finish = async (type: string, params: object) => {
    const { taskId } = await tasks.createTask(type, { ...params })
    await tasks.waitFor(taskId)
    return taskId
  }
  await finish('init_stocks', {})
  await finish('init_sectors', {})
  const failed = await finish('send_invoice', { invoice: '2026-0117' })
  const later = { runAt: new Date(Date.now() + 5_400_000) }
  await tasks.createTask('backfill_by_date', {}, later)
  const cancelled = await tasks.createTask('backfill_by_date', { targetDate: '2026-01-05' }, later)
  await tasks.cancelTask(cancelled.taskId)
  const range = { startDate: '2025-01-01', endDate: '2025-12-31' }
  const { taskId: running } = await tasks.createTask('backfill_by_range', range)
  const { taskId: listening } = await tasks.createTask('watch_inbox', {})
  return { running, listening, failed }
}
