import type { ExecutorRun } from '../../contract/task.ts'
import { type Database, execute, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import { RUNS, TASKS } from './tables.ts'

/** How far back runs are kept. */
export const KEPT_MINUTES = 15

/** An attempt that has ended. */
export interface EndedRun extends Pick<ExecutorRun, 'taskId' | 'taskType' | 'attempt' | 'outcome'> {
  /** Milliseconds since its end. */
  readonly ageMs: number
  readonly durationMs: number
}

const ADD = statement(
  'runs_add',
  `with forgotten as (
     delete from ${RUNS} where executor_id = $1::uuid and at < now() - interval '${KEPT_MINUTES} minutes'
   )
   insert into ${RUNS} (executor_id, runs, omitted) values ($1::uuid, $2, $3)`,
)

/** Also forgets what is older than `KEPT_MINUTES`. */
export async function addRuns(
  db: Database,
  executorId: string,
  runs: readonly EndedRun[],
  omitted: number,
): Promise<void> {
  await execute(db, ADD, [executorId, JSON.stringify(runs), omitted])
}

const ENDED = statement(
  'runs_ended',
  `select ${instant('at')} as at, runs, omitted
     from ${RUNS}
    where executor_id = $1::uuid and at > now() - interval '${KEPT_MINUTES} minutes'
    order by at`,
)

const RUNNING = statement(
  'runs_running',
  `select task_id as "taskId", task_type as "taskType", attempt, ${instant('started_at')} as "startedAt"
     from ${TASKS}
    where executor_id = $1::uuid and status = 'running' and started_at is not null
    order by id
    limit 1000`,
)

/** What an executor runs, and what it ran in the last minutes. */
export async function readRuns(
  db: Database,
  executorId: string,
): Promise<{ runs: ExecutorRun[]; omitted: number }> {
  const [kept, running] = await Promise.all([
    execute<{ at: Date; runs: string; omitted: number }>(db, ENDED, [executorId]),
    execute<Omit<ExecutorRun, 'endedAt' | 'outcome'>>(db, RUNNING, [executorId]),
  ])
  const ended = kept.flatMap(({ at, runs }) => (JSON.parse(runs) as EndedRun[]).map((run) => toRun(at, run)))
  return {
    runs: [...ended, ...running.map((run) => ({ ...run, endedAt: null, outcome: null }))],
    omitted: kept.reduce((total, one) => total + one.omitted, 0),
  }
}

function toRun(at: Date, { ageMs, durationMs, ...run }: EndedRun): ExecutorRun {
  const endedAt = at.getTime() - ageMs
  return { ...run, startedAt: new Date(endedAt - durationMs), endedAt: new Date(endedAt) }
}

const FORGET = statement('runs_forget', `delete from ${RUNS} where at < now() - interval '1 hour'`)

/** Of executors that write no more. */
export async function forgetRuns(db: Database): Promise<void> {
  await execute(db, FORGET, [])
}
