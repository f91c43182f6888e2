import { getTableName } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import {
  asyncTaskAttempts,
  asyncTaskAudit,
  asyncTaskCancelRequests,
  asyncTaskChanges,
  asyncTaskDuties,
  asyncTaskErrorGroups,
  asyncTaskExecutors,
  asyncTaskFigures,
  asyncTaskLogs,
  asyncTaskMinutes,
  asyncTaskParams,
  asyncTaskRuns,
  asyncTaskSchedules,
  asyncTaskStarts,
  asyncTaskSteps,
  asyncTasks,
  asyncTaskTypes,
} from './schema.ts'

/**
 * Statements name the schema of each table, so that no role's, database's or connection's search_path matters. They name
 * `public`: the database of another schema renames it, see `EngineSchema`.
 */
const qualified = (table: PgTable) => `public.${getTableName(table)}`

export const TASKS = qualified(asyncTasks)
export const PARAMS = qualified(asyncTaskParams)
export const LOGS = qualified(asyncTaskLogs)
export const ATTEMPTS = qualified(asyncTaskAttempts)
export const STEPS = qualified(asyncTaskSteps)
export const CANCEL_REQUESTS = qualified(asyncTaskCancelRequests)
export const CHANGES = qualified(asyncTaskChanges)
export const TYPES = qualified(asyncTaskTypes)
export const EXECUTORS = qualified(asyncTaskExecutors)
export const RUNS = qualified(asyncTaskRuns)
export const SCHEDULES = qualified(asyncTaskSchedules)
export const STARTS = qualified(asyncTaskStarts)
export const MINUTES = qualified(asyncTaskMinutes)
export const FIGURES = qualified(asyncTaskFigures)
export const ERROR_GROUPS = qualified(asyncTaskErrorGroups)
export const DUTIES = qualified(asyncTaskDuties)
export const AUDIT = qualified(asyncTaskAudit)

export const ENGINE_TABLES: readonly string[] = [
  TASKS,
  PARAMS,
  LOGS,
  ATTEMPTS,
  STEPS,
  CHANGES,
  TYPES,
  STARTS,
  EXECUTORS,
  RUNS,
  SCHEDULES,
  MINUTES,
  FIGURES,
  ERROR_GROUPS,
  DUTIES,
  AUDIT,
]
