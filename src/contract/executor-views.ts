import type { AttemptOutcome } from './views.ts'

/** A process that runs tasks, alive or not. */
export interface ExecutorView {
  /** A fresh UUID at every start. */
  id: string
  /** Name of its machine. */
  host: string
  /** Id of its process. */
  pid: number
  /** Its version of this package. */
  version: string
  /** Handlers that it runs at once. */
  slots: number
  /** Ids of the tasks that it runs. */
  runningTasks: string[]
  /** The types that it has registered. */
  taskTypes: string[]
  /** When it started. */
  startedAt: Date
  /** Milliseconds since its last heartbeat. */
  heartbeatAgeMs: number
  /** The heartbeat is younger than its lease. */
  alive: boolean
  /** Ids of tasks whose handlers ignore their signal. */
  stuck: string[]
}

/** An attempt that an executor runs, or ran lately. */
export interface ExecutorRun {
  /** Id of the task. */
  taskId: string
  /** Name of its type. */
  taskType: string
  /** Number of the attempt, from 1. */
  attempt: number
  /** When the attempt started. */
  startedAt: Date
  /** When it ended; null while it runs. */
  endedAt: Date | null
  /** How it ended; null while it runs. */
  outcome: AttemptOutcome | null
}

/** What an executor runs, and what it ran in the last 15 minutes. */
export interface ExecutorRuns {
  /** Failures and the longest runs of each five seconds, at most 30. */
  runs: ExecutorRun[]
  /** Runs of this time that are not among them. */
  omitted: number
}
