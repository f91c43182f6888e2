import { getTableName } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { PUBLIC } from '../../db/schema-name.ts'
import { asyncTasksIn } from './schema.ts'

/**
 * Statements name the schema of each table, so that no role's, database's or connection's search_path matters. They name
 * `public`: the database of another schema renames it, see `EngineSchema`.
 */
const qualified = (table: PgTable) => `public.${getTableName(table)}`

const tables = asyncTasksIn(PUBLIC)

export const TASKS = qualified(tables.asyncTasks)
export const PARAMS = qualified(tables.asyncTaskParams)
export const LOGS = qualified(tables.asyncTaskLogs)
export const ATTEMPTS = qualified(tables.asyncTaskAttempts)
export const STEPS = qualified(tables.asyncTaskSteps)
export const CANCEL_REQUESTS = qualified(tables.asyncTaskCancelRequests)
export const CHANGES = qualified(tables.asyncTaskChanges)
export const TYPES = qualified(tables.asyncTaskTypes)
export const EXECUTORS = qualified(tables.asyncTaskExecutors)
export const RUNS = qualified(tables.asyncTaskRuns)
export const SCHEDULES = qualified(tables.asyncTaskSchedules)
export const STARTS = qualified(tables.asyncTaskStarts)
export const MINUTES = qualified(tables.asyncTaskMinutes)
export const FIGURES = qualified(tables.asyncTaskFigures)
export const ERROR_GROUPS = qualified(tables.asyncTaskErrorGroups)
export const DUTIES = qualified(tables.asyncTaskDuties)
export const AUDIT = qualified(tables.asyncTaskAudit)

export const ENGINE_TABLES: readonly string[] = Object.values(tables).map(qualified)
