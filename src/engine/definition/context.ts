import type { Transaction } from '../../db/query-runner.ts'
import type { CreatedTask, CreateTaskOptions } from './create-options.ts'
import type { CreateArguments, TaskReference } from './task.ts'

/**
 * Structured fields of a log line, stored as JSON of at most 10,000 characters. Errors anywhere in them keep their name,
 * message, code, stack and causes; a Map becomes its entries, a Set a list.
 */
export type LogData = Readonly<Record<string, unknown>>

/** The words and the fields of a line, in either order: `('saved', { rows })` or pino's `({ rows }, 'saved')`. */
export interface LogMethod {
  /** An error becomes the field `err`. */
  (message: string, data?: LogData | Error): void
  /** An error says the words where none are given. */
  (data: LogData | Error, message?: string): void
}

/** Writes to the task's own log (`async_task_logs`) and to the server's logger. Never blocks, never throws. */
export interface TaskLog {
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
}

/** What a handler is given beside its params. */
export interface TaskContext {
  readonly taskId: string
  readonly taskType: string
  /** Counts from 1; goes on counting over retries. */
  readonly attempt: number
  /**
   * Aborts when the task was cancelled, timed out (`reason.name` is `TimeoutError`), was taken away, or when
   * the server shuts down. Pass it on to whatever waits; stop soon after it fires.
   */
  readonly signal: AbortSignal
  readonly log: TaskLog
  /**
   * Reports progress. Any number of calls costs a bounded number of writes.
   *
   * @param current integer, 0 … total; it never falls within an attempt
   * @param total integer ≥ 0; the last one given when left out
   * @param step what is being done, in a few words (at most 200 characters)
   * @throws TypeError when a number is negative or not finite
   */
  progress(current: number, total?: number, step?: string): void
  /** Creates another task, on behalf of whoever created this one; with `tx`, in the handler's own transaction. */
  createTask<T extends TaskReference>(
    task: T,
    ...rest: CreateArguments<T, Omit<CreateTaskOptions, 'createdBy'>>
  ): Promise<CreatedTask>
  /**
   * Checks, inside the caller's open transaction, that this run still owns the task, and locks that until the
   * transaction ends: business rows written in it are written by the rightful attempt or not at all.
   *
   * @throws TaskError `TASK_LOST` when the task was cancelled, timed out or taken away
   */
  guard(tx: Transaction): Promise<void>

  /**
   * Completes the task inside the caller's transaction: business rows and completion commit together or not at all.
   * Return soon afterwards; what the handler returns then is ignored. If the transaction is rolled back, the attempt
   * has failed (`COMPLETION_ROLLED_BACK`).
   *
   * @param result JSON, at most 1 MiB; a Map, a Set or an Error as in what a handler returns
   * @throws TaskError `TASK_LOST`
   */
  complete(tx: Transaction, result?: unknown): Promise<void>
}
