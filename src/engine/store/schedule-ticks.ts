import type { TaskStatus } from '../../contract/task.ts'
import { type Database, execute, plainArray, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import type { ScheduleRow } from './schedules.ts'
import { SCHEDULES, TASKS } from './tables.ts'

const TICKS = statement(
  'schedule_ticks',
  `select s.name, s.cron, s.time_zone as "timeZone", s.enabled, s.recent_ticks as ticks, ${instant('now()')} as now
     from ${SCHEDULES} s order by s.name`,
)

export interface TicksRow extends Pick<ScheduleRow, 'name' | 'cron' | 'timeZone' | 'enabled'> {
  /** Each as JSON text of a `KeptTick`. */
  readonly ticks: readonly string[]
  readonly now: Date
}

export function listTicks(db: Database): Promise<TicksRow[]> {
  return execute<TicksRow>(db, TICKS, [])
}

const TICK_TASKS = statement(
  'schedule_tick_tasks',
  `select task_id as "taskId", status,
          case when isfinite(started_at) and isfinite(ended_at)
               then floor(extract(epoch from ended_at - started_at) * 1000)::float8 end as "durationMs"
     from ${TASKS} cross join lateral (select coalesce(completed_at, cancelled_at) as ended_at) ended
    where task_id = any($1::text[])`,
)

export interface TickTask {
  readonly taskId: string
  readonly status: TaskStatus
  readonly durationMs: number | null
}

export function findTickTasks(db: Database, taskIds: readonly string[]): Promise<TickTask[]> {
  return execute<TickTask>(db, TICK_TASKS, [plainArray(taskIds)])
}
