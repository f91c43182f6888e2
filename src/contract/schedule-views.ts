import type { Json, TaskStatus } from './views.ts'

/** What happens to ticks that no process fired in time: dropped, one task for all, or one task each. */
export type MissedTicks = 'skip' | 'once' | 'all'

/** A schedule, which creates a task at each tick of its cron expression. */
export interface ScheduleView {
  /** Its unique name. */
  name: string
  /** Cron expression of five fields, or six with seconds first, or a nickname such as `@daily`. */
  cron: string
  /** IANA time zone in which the expression is read. */
  timeZone: string
  /** Type of the tasks that it creates. */
  taskType: string
  /** Params that the type parses at each tick, with `[redacted]` in place of secrets. */
  params: Record<string, Json>
  /** False: it creates no tasks, and the ticks that pass are ignored. */
  enabled: boolean
  /** What happens to ticks that no process fired in time. */
  missed: MissedTicks
  /** Declared by an app's code, which overwrites everything but `enabled` at its next start. */
  declared: boolean
  /** Its next tick; null while disabled. */
  nextRunAt: Date | null
  /** The latest tick that created a task; null: none yet. */
  lastRunAt: Date | null
  /** Id of the task of that tick, which may have been deleted; null: none yet. */
  lastTaskId: string | null
  /** Why the latest tick created no task; null if it did. */
  lastError: string | null
  /** When it was created. */
  createdAt: Date
  /** When it was last changed. */
  updatedAt: Date
}

/** A tick of a schedule that has passed. */
export interface ScheduleTick {
  /** The instant of the tick. */
  at: Date
  /** Id of the task that it created, which may have been deleted; null: none. */
  taskId: string | null
  /** Why it created no task; null if it did. */
  error: string | null
  /** Status of its task; null: there is none any more. */
  status: TaskStatus | null
  /** Milliseconds from the start of the task's latest attempt to its end; null before that. */
  durationMs: number | null
}

/** What a schedule did, and what it will do. */
export interface ScheduleTicks {
  /** Name of the schedule. */
  name: string
  /** Its newest 20 ticks, oldest first. */
  past: ScheduleTick[]
  /** Its next five ticks; empty while disabled. */
  next: Date[]
}
