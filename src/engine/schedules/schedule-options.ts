import type { MissedTicks } from '../../contract/schedule.ts'
import type { ParamsOf, TaskReference } from '../definition/task.ts'

/** What makes tasks of one type again and again. */
export type ScheduleOptions<T extends TaskReference = TaskReference> = {
  /** 1 to 100 letters, digits, `_`, `.`, `:` or `-`. */
  name: string
  /** Five fields, six with seconds first, or a nickname such as `@daily`. */
  cron: string
  /** IANA, such as `Asia/Shanghai`. Default UTC. */
  timeZone?: string
  /** The handler, or a type's name. */
  task: T
  /** Default true. */
  enabled?: boolean
  /**
   * What to do with ticks that nobody was there for: forget them (`skip`), make up for them with one task (`once`), or
   * with one each (`all`). Default `skip`.
   */
  missed?: MissedTicks
} & ScheduleParams<T>

/** Parsed by the type at each tick. May be left out only where none is required. */
type ScheduleParams<T> =
  Record<never, never> extends ParamsOf<T> ? { params?: ParamsOf<T> } : { params: ParamsOf<T> }

/** What to change of a schedule; what is left out stays. */
export interface ScheduleChanges<T extends TaskReference = TaskReference> {
  cron?: string
  timeZone?: string
  task?: T
  params?: ParamsOf<T>
  enabled?: boolean
  missed?: MissedTicks
}

/** Checks, at compile time, that the params are those of the task; for the plugin's `schedules`. */
export function defineSchedule<const T extends TaskReference>(schedule: ScheduleOptions<T>): ScheduleOptions {
  // The list forgets whose params they are; they are parsed when the app starts.
  return schedule as ScheduleOptions
}
