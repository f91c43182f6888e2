import { type PgTableFn, pgSchema, pgTable } from 'drizzle-orm/pg-core'
import { PUBLIC, requireSchemaName } from '../../db/schema-name.ts'
import {
  createAudit,
  createCancelRequests,
  createChanges,
  createDuties,
  createErrorGroups,
  createExecutors,
  createFigures,
  createMinutes,
  createRuns,
  createSchedules,
  createStarts,
  createTypes,
} from './fleet-tables.ts'
import { createAttempts, createLogs, createParams, createSteps, createTasks } from './task-tables.ts'

/** By what makes a table: one in `public`, or in another schema. */
function createTables(table: PgTableFn) {
  const asyncTasks = createTasks(table)
  return {
    asyncTasks,
    asyncTaskParams: createParams(table, asyncTasks),
    asyncTaskLogs: createLogs(table, asyncTasks),
    asyncTaskAttempts: createAttempts(table, asyncTasks),
    asyncTaskSteps: createSteps(table, asyncTasks),
    asyncTaskExecutors: createExecutors(table),
    asyncTaskRuns: createRuns(table),
    asyncTaskSchedules: createSchedules(table),
    asyncTaskStarts: createStarts(table),
    asyncTaskMinutes: createMinutes(table),
    asyncTaskFigures: createFigures(table),
    asyncTaskErrorGroups: createErrorGroups(table),
    asyncTaskDuties: createDuties(table),
    asyncTaskCancelRequests: createCancelRequests(table),
    asyncTaskTypes: createTypes(table),
    asyncTaskChanges: createChanges(table),
    asyncTaskAudit: createAudit(table),
  }
}

const tables = createTables(pgTable)

/** Tasks, one row each. */
export const asyncTasks = tables.asyncTasks

/** Params, one row for each key. */
export const asyncTaskParams = tables.asyncTaskParams

/** Lines of the tasks' logs. */
export const asyncTaskLogs = tables.asyncTaskLogs

/** Attempts that did not complete; the latest attempt of a task is derived from its row. */
export const asyncTaskAttempts = tables.asyncTaskAttempts

/** Finished durable steps, and sleeps from their beginning. */
export const asyncTaskSteps = tables.asyncTaskSteps

/** Executors that live or have stopped lately. */
export const asyncTaskExecutors = tables.asyncTaskExecutors

/** What executors ran in the last minutes. */
export const asyncTaskRuns = tables.asyncTaskRuns

/** Schedules, with their next tick. */
export const asyncTaskSchedules = tables.asyncTaskSchedules

/** Starts of tasks of types with a rate limit, kept while they count. */
export const asyncTaskStarts = tables.asyncTaskStarts

/** Ended tasks per minute and process, as versions before `asyncTaskFigures` count them. Kept for hours. */
export const asyncTaskMinutes = tables.asyncTaskMinutes

/** Figures of tasks by type and span of time, kept for up to eight days. */
export const asyncTaskFigures = tables.asyncTaskFigures

/** Failures by type and masked message. */
export const asyncTaskErrorGroups = tables.asyncTaskErrorGroups

/** Work of one process at a time. A row, because poolers do not keep session locks. */
export const asyncTaskDuties = tables.asyncTaskDuties

/** Cancels of tasks whose rows were locked. */
export const asyncTaskCancelRequests = tables.asyncTaskCancelRequests

/** Settings of a type in all processes. Without a row, a type is not paused and has no follow-up. */
export const asyncTaskTypes = tables.asyncTaskTypes

/** Changed tasks, for streams of all tasks; kept for minutes. */
export const asyncTaskChanges = tables.asyncTaskChanges

/** Who changed what, refused changes included. */
export const asyncTaskAudit = tables.asyncTaskAudit

/** The tables of the engine in one schema, as `asyncTasksIn` returns them. */
export interface AsyncTaskTables {
  /** Tasks, one row each. */
  readonly asyncTasks: typeof asyncTasks
  /** Params, one row for each key. */
  readonly asyncTaskParams: typeof asyncTaskParams
  /** Lines of the tasks' logs. */
  readonly asyncTaskLogs: typeof asyncTaskLogs
  /** Attempts that did not complete; the latest attempt of a task is derived from its row. */
  readonly asyncTaskAttempts: typeof asyncTaskAttempts
  /** Finished durable steps, and sleeps from their beginning. */
  readonly asyncTaskSteps: typeof asyncTaskSteps
  /** Executors that live or have stopped lately. */
  readonly asyncTaskExecutors: typeof asyncTaskExecutors
  /** What executors ran in the last minutes. */
  readonly asyncTaskRuns: typeof asyncTaskRuns
  /** Schedules, with their next tick. */
  readonly asyncTaskSchedules: typeof asyncTaskSchedules
  /** Starts of tasks of types with a rate limit, kept while they count. */
  readonly asyncTaskStarts: typeof asyncTaskStarts
  /** Ended tasks per minute and process, for rates without an index on end times. Kept for hours. */
  readonly asyncTaskMinutes: typeof asyncTaskMinutes
  /** Figures of tasks by type and span of time. */
  readonly asyncTaskFigures: typeof asyncTaskFigures
  /** Failures by type and masked message. */
  readonly asyncTaskErrorGroups: typeof asyncTaskErrorGroups
  /** Work of one process at a time. A row, because poolers do not keep session locks. */
  readonly asyncTaskDuties: typeof asyncTaskDuties
  /** Cancels of tasks whose rows were locked. */
  readonly asyncTaskCancelRequests: typeof asyncTaskCancelRequests
  /** Settings of a type in all processes. Without a row, a type is not paused and has no follow-up. */
  readonly asyncTaskTypes: typeof asyncTaskTypes
  /** Changed tasks, for streams of all tasks; kept for minutes. */
  readonly asyncTaskChanges: typeof asyncTaskChanges
  /** Who changed what, refused changes included. */
  readonly asyncTaskAudit: typeof asyncTaskAudit
}

const tablesOf = new Map<string, AsyncTaskTables>([[PUBLIC, tables]])

/**
 * Returns the Drizzle tables of a runner with the option `schema`, for your own queries: those that this module exports,
 * in another schema. The same objects for the same name.
 *
 * @param schema name of the schema, as in the plugin's option
 * @throws TaskError `INVALID_ARGUMENT` for a name that the option does not allow
 */
export function asyncTasksIn(schema: string): AsyncTaskTables {
  const name = requireSchemaName(schema)
  const known = tablesOf.get(name)
  if (known) return known
  // Its type differs in the name of the schema alone, which is known at run time only.
  const made = createTables(pgSchema(name).table as unknown as PgTableFn)
  tablesOf.set(name, made)
  return made
}
