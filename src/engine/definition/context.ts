import type { Transaction } from '../../db/query-runner.ts'
import type { StepDatabase, TransactionOf } from '../../db/step-database.ts'
import type { CreatedTask, CreateTaskOptions } from './create-options.ts'
import type { SleepUntil } from './steps.ts'
import type { CreateArguments, JsonOf, TaskReference } from './task-reference.ts'

/**
 * Fields of a log line, stored as JSON of at most 10,000 characters. Errors in them keep their name, message, code, stack
 * and causes; a `Map` becomes a list of its entries, a `Set` a list.
 */
export type LogData = Readonly<Record<string, unknown>>

/** Writes a line with a message and fields, in either order: `('saved', { rows })` or `({ rows }, 'saved')`. */
export interface LogMethod {
  /** An error is stored as the field `err`. */
  (message: string, data?: LogData | Error): void
  /** Without a message, the error's message is used. */
  (data: LogData | Error, message?: string): void
}

/** Writes to the task's log (`async_task_logs`) and to the server's logger. Never blocks, never throws. */
export interface TaskLog {
  /** Writes a line of level `DEBUG`. */
  readonly debug: LogMethod
  /** Writes a line of level `INFO`. */
  readonly info: LogMethod
  /** Writes a line of level `WARNING`. */
  readonly warn: LogMethod
  /** Writes a line of level `ERROR`. The task goes on: to fail it, throw. */
  readonly error: LogMethod
}

/** What a step resolves to: what JSON makes of its result, in the first run, too. */
// biome-ignore lint/suspicious/noExplicitAny: the test for `any`, which stays as it is
export type StepResult<T> = 0 extends 1 & T ? any : JsonOf<T>

/** The second argument of a handler: the task, and what it can do. */
export interface TaskContext {
  /** The task's id, the same in every attempt: a key for idempotent effects elsewhere. */
  readonly taskId: string
  /** The name of its type. */
  readonly taskType: string
  /** Number of this attempt, from 1; retries continue the count. */
  readonly attempt: number
  /**
   * Aborts when the task is cancelled, times out (`reason.name` is `TimeoutError`) or is lost to another executor, and
   * when the server shuts down. Pass it to everything that waits, and return soon after it aborts.
   */
  readonly signal: AbortSignal
  /** Writes lines to the task's log. */
  readonly log: TaskLog
  /**
   * Reports progress. Any number of calls costs a bounded number of writes.
   *
   * @param current integer, 0 … total; it never falls within an attempt, nor over a sleep
   * @param total integer ≥ 0; default: the total of the previous call
   * @param step short description of the current step, at most 200 characters
   * @throws TypeError if a number is negative or not finite
   */
  progress(current: number, total?: number, step?: string): void
  /**
   * Creates another task with the same `createdBy`; with `tx`, inside your transaction.
   *
   * @throws TaskError `INVALID_ARGUMENT` for a `tx` in a worker thread; otherwise as the manager's `createTask`
   */
  createTask<T extends TaskReference>(
    task: T,
    ...rest: CreateArguments<T, Omit<CreateTaskOptions, 'createdBy'>>
  ): Promise<CreatedTask>
  /**
   * Checks inside your open transaction that this attempt still owns the task, and locks the task until the transaction
   * ends. Rows that you write in it are committed by the attempt that owns the task, or not at all.
   *
   * @throws TaskError `TASK_LOST` if the task was cancelled, timed out or lost to another executor; `INVALID_ARGUMENT` if
   *   `tx` is not in a transaction
   */
  guard(tx: Transaction): Promise<void>

  /**
   * Completes the task inside your open transaction: your rows and the completion commit together or not at all.
   * Return soon afterwards; the handler's return value is then ignored. If the transaction is rolled back, the attempt
   * fails with `COMPLETION_ROLLED_BACK`.
   *
   * @param result stored as JSON of at most `maxResultBytes` (1 MiB), like a handler's return value. Default null
   * @throws TaskError `TASK_LOST`, `INVALID_RESULT`, or `INVALID_ARGUMENT` if `tx` is not in a transaction
   */
  complete(tx: Transaction, result?: unknown): Promise<void>

  /**
   * Runs `run`, unless an earlier attempt of this task has finished a step of this name, and resolves to its result. A
   * finished step is durable. One that throws leaves nothing behind: the next attempt runs it again, as it does with the
   * one that was under way at a crash. The attempt ends when all steps that it began have ended.
   *
   * With `tx`, the effects of `run` in that database happen exactly once: the step opens a transaction there, locks the
   * task as `guard` does, calls `run` with the transaction, and commits both. It may call `run` again after a rollback.
   *
   * @param name 1 … 200 characters, not `start`; used once in a run by a step or a sleep; not inside another step
   * @param run its result is stored as JSON of at most `maxResultBytes` (1 MiB)
   * @param options `tx`: a `pg.Pool` or a Drizzle database on node-postgres, of the database of the tasks
   * @throws TaskError `TASK_LOST` if the task was cancelled or lost, or its signal has aborted before the step began;
   *   `TOO_MANY_STEPS` for more than 10,000 in a task; `INVALID_ARGUMENT`
   * @throws PermanentError for a result that is not JSON or too large
   */
  step<T, Db extends StepDatabase | undefined = undefined>(
    name: string,
    run: (tx: TransactionOf<Db>) => T | PromiseLike<T>,
    options?: { tx?: Db },
  ): Promise<StepResult<T>>

  /**
   * Suspends the run until a time: the attempt ends, no retry is spent, and the slot is free; the next attempt begins when
   * the sleep is over, and passes it. Until then the task is pending; whatever starts it earlier ends the sleep. It throws
   * to end the handler, which decides nothing any more. Steps that are under way finish first. One at a time: of sleeps
   * side by side the first one suspends the run, and the others begin after it, so that their times add up.
   *
   * @param name as of a step
   * @param until milliseconds, `{ days?, hours?, minutes?, seconds? }` or a `Date`; at most ten years ahead. Not read of a
   *   sleep that is over
   * @throws TaskError as `step`
   */
  sleep(name: string, until: SleepUntil): Promise<void>
}
