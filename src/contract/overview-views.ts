/** How far back an overview reaches: in spans of a minute, of 15 minutes, or of an hour. */
export type OverviewRange = '1h' | '24h' | '7d'

/** Percentiles of a duration in milliseconds, at most 42 % above or below the exact value. */
export interface Percentiles {
  /** How many were counted. */
  count: number
  /** Half of them took no longer. */
  p50: number
  /** 95 % took no longer. */
  p95: number
  /** 99 % took no longer. */
  p99: number
}

/** What happened to tasks in a span of time. */
export interface TaskFigures {
  /** Tasks that completed. */
  completed: number
  /** Tasks that failed for good. */
  failed: number
  /** Tasks that were cancelled, or expired. */
  cancelled: number
  /** Attempts that failed, or were lost, and are followed by another one. */
  retried: number
  /** From the due time of attempts to their start; null: none started. */
  waiting: Percentiles | null
  /** From the start of attempts to their end; null: none ended. */
  running: Percentiles | null
}

/** What happened in one span of an overview. */
export interface OverviewSpan extends TaskFigures {
  /** Its start. */
  at: Date
}

/** Pending tasks, each counted once. */
export interface Backlog {
  /** Due, and only a slot or a permit is missing. */
  due: number
  /** Due later, for the first time or after a sleep. */
  later: number
  /** Due later, after a failure; of a type, at most 10,000 are counted. */
  retrying: number
  /** Of paused types. */
  paused: number
  /** Of types that no live executor has registered. */
  unserved: number
}

/** What happened lately, and what waits. */
export interface Overview {
  /** How far back it reaches. */
  range: OverviewRange
  /** The type that it shows; null: all types. */
  taskType: string | null
  /** Length of a span in seconds. */
  spanSeconds: number
  /** Oldest first; the last one is incomplete. */
  spans: OverviewSpan[]
  /** All spans together. */
  whole: TaskFigures
  /** Pending tasks, each counted once. */
  backlog: Backlog
  /** Of live executors. */
  slots: {
    /** Slots in use, by tasks of any type. */
    used: number
    /** All slots. */
    all: number
  }
}

/** What an overview shows. */
export interface OverviewQuery {
  /** How far back it reaches. Default `1h`. */
  range?: OverviewRange | undefined
  /** Shows this type alone. Default: all types. */
  taskType?: string | undefined
}

/** What happened to tasks of one type lately, and what waits. */
export interface TypeOverview {
  /** Name of the type. */
  taskType: string
  /** All spans together. */
  whole: TaskFigures
  /** Tasks that ended in each span, oldest first; the last one is incomplete. */
  ended: number[]
  /** Those of them that failed for good. */
  failed: number[]
  /** Tasks that run now. */
  running: number
  /** Pending tasks, each counted once. */
  backlog: Backlog
}

/** What happened lately, and what waits, type by type. */
export interface OverviewByType {
  /** How far back it reaches. */
  range: OverviewRange
  /** Length of a span in seconds. */
  spanSeconds: number
  /** Each type that has tasks, or had some in this time. */
  types: TypeOverview[]
}
