/** What a session may be used for; a queue's best settings for throughput are not its best for latency. */
export type Tuning = 'throughput' | 'latency'

/** So many tasks may run at once over all processes, each for so long. */
export interface Limit {
  readonly permits: number
  readonly taskMs: number
}

export interface OpenOptions {
  readonly tuning: Tuning
  /** Absent: tasks run without a limit. */
  readonly limit?: Limit
  /** Absent: the session creates tasks and runs none. */
  readonly runs?: {
    readonly concurrency: number
    /** Is to be called with the task's number when its handler starts, and awaited: the task's work. */
    readonly onStart: (n: number) => Promise<unknown> | undefined
  }
}

/** A system at work in one process. Every task carries one param: its number. */
export interface Session {
  /** Resolves when the task is durable. With `uniqueKey`: at most one unfinished task has it. */
  create(n: number, uniqueKey?: string): Promise<unknown>
  createMany(numbers: readonly number[]): Promise<unknown>
  /** Resolves when nothing runs any more; finished tasks are written down. */
  close(): Promise<void>
}

export type MeasureName =
  | 'create-50'
  | 'create-unique-50'
  | 'create-1'
  | 'bulk'
  | 'run'
  | 'run-default'
  | 'limited'
  | 'pick-up'

/** Something that is measured. Its module must load where no peer is installed. */
export interface System {
  readonly name: string
  /** How it is set up, for the table. */
  readonly mode: string
  /** What becomes of a finished task's row. */
  readonly rows: 'kept' | 'deleted'
  readonly measures: readonly MeasureName[]
  /** Tasks of one round of `run`: about two seconds of work. */
  readonly tasksToRun: number
  /** Handlers that may run at once in a process while tasks are drained. */
  readonly concurrency: number
  /** The same where nothing is configured, of systems that `run-default` measures. */
  readonly defaultConcurrency?: number
  readonly sql: {
    /** Whether any task is not finished, as `busy`. */
    readonly busy: string
    /** Deletes what is not finished. */
    readonly discard: string
    /** How many tasks are stored, in whatever state, as `count`. */
    readonly stored: string
  }
  /** Makes its tables in an empty database. */
  prepare(url: string): Promise<unknown>
  open(url: string, options: OpenOptions): Promise<Session>
}
