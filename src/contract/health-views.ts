/** `amber`: needs attention; `red`: tasks do not run, or most of them fail. */
export type HealthLevel = 'green' | 'amber' | 'red'

/** What may be wrong. */
export type HealthCode =
  | 'DATABASE_AWAY'
  | 'EXECUTOR_UNHEALTHY'
  | 'NO_EXECUTOR'
  | 'EXECUTOR_DIED'
  | 'HEARTBEAT_LATE'
  | 'HANDLERS_STUCK'
  | 'SLOTS_FULL'
  | 'TYPE_UNSERVED'
  | 'TASKS_FAIL'
  | 'SCHEDULE_FAILED'
  | 'EVENT_LOOP_BLOCKED'
  | 'TASKS_DELAYED'

/** Something that is wrong. */
export interface HealthReason {
  /** What it is. */
  code: HealthCode
  /** How bad it is. */
  level: Exclude<HealthLevel, 'green'>
  /** A description in English, without names. */
  text: string
  /** Where to look: at most 20 names of each kind. */
  evidence: {
    /** Ids of tasks. */
    taskIds?: string[] | undefined
    /** Names of types. */
    taskTypes?: string[] | undefined
    /** Ids of executors. */
    executorIds?: string[] | undefined
    /** Names of schedules. */
    schedules?: string[] | undefined
  }
}

/** Whether tasks run, in time and with success. */
export interface Health {
  /** The worst of the reasons; `green` without any. */
  level: HealthLevel
  /** The worst first. */
  reasons: HealthReason[]
}
