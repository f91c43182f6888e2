import type { MissedTicks } from '../../contract/schedule.ts'
import type { ParamsOf, TaskReference } from '../definition/task-reference.ts'

/** A schedule: creates a task of one type at each tick of a cron expression. */
export type ScheduleOptions<T extends TaskReference = TaskReference> = {
  /** 1 … 100 letters, digits, `_`, `.`, `:` or `-`, the first a letter or digit. */
  name: string
  /** Cron expression of five fields, or six with seconds first, or a nickname such as `@daily`. */
  cron: string
  /** IANA time zone, such as `Asia/Shanghai`. Default UTC. */
  timeZone?: string
  /** The handler, or a type's name. */
  task: T
  /** False: the schedule does not tick. Default true. */
  enabled?: boolean
  /**
   * What happens to ticks that no process fired in time: `skip` drops them, `once` creates one task for all of them, `all`
   * one task each (at most 1,000). Default `skip`.
   */
  missed?: MissedTicks
} & ScheduleParams<T>

/** Params of the tasks, parsed at each tick. Optional only if none is required. */
type ScheduleParams<T> =
  Record<never, never> extends ParamsOf<T> ? { params?: ParamsOf<T> } : { params: ParamsOf<T> }

/** Changes of a schedule; fields that are left out keep their value. */
export interface ScheduleChanges<T extends TaskReference = TaskReference> {
  /** Cron expression of five fields, or six with seconds first, or a nickname such as `@daily`. */
  cron?: string
  /** IANA time zone in which the expression is read. */
  timeZone?: string
  /** The type of its tasks: a handler or a name. If it redacts params, `params` must be given too. */
  task?: T
  /** Replace all params. The type parses them at each tick. */
  params?: ParamsOf<T>
  /** False: it creates no tasks, and the ticks that pass are ignored. */
  enabled?: boolean
  /** What happens to ticks that no process fired in time. */
  missed?: MissedTicks
}

/** Checks at compile time that the params fit the task. Use it in the plugin's option `schedules`. */
export function defineSchedule<const T extends TaskReference>(schedule: ScheduleOptions<T>): ScheduleOptions {
  // The list's type loses the params; they are parsed when the app starts.
  return schedule as ScheduleOptions
}
