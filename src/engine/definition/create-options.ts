import type { TaskDetail } from '../../contract/task.ts'
import type { Transaction } from '../../db/query-runner.ts'
import type { ActorOptions } from './actor.ts'
import type { JsonOf, ParamsOf, ResultOf, TaskReference } from './task-reference.ts'

/** Options of a new task. They override the type's and the plugin's defaults. */
export interface CreateTaskOptions extends ActorOptions {
  /** −100 … 100, higher first. Default: the type's, else 0. */
  priority?: number | undefined
  /** Earliest start. Default: now. Give either this or `delayMs`. */
  runAt?: Date | undefined
  /** Milliseconds from now until the earliest start, by the database's clock, 0 … ten years. */
  delayMs?: number | undefined
  /**
   * Latest start, in the future and after `runAt`: a task that waits then, for its first attempt or for a retry, is not
   * started any more and ends `cancelled` with the error `expired`. An attempt that runs then goes on. Default: none.
   */
  expiresAt?: Date | undefined
  /**
   * 1 … 255 characters. At most one unfinished (pending or running) task has a given key, across all types. If the key is
   * in use, no task is created, and the existing one is returned with `created: false`. Default: none.
   */
  uniqueKey?: string | undefined
  /**
   * What to do if the unique key is in use: `return` its task (the default); `reject`: throw `DUPLICATE_TASK`; `replace`:
   * its task, if it is pending and of the same type, takes the params, priority, due time, expiry, retries and timeout of
   * this call, and is returned with `created: false, replaced: true`. `replace` leaves a running task, or one of another
   * type, as it is (`replaced: false`), and needs a `uniqueKey`.
   */
  onDuplicate?: 'return' | 'reject' | 'replace' | undefined
  /**
   * Milliseconds after its creation beyond which replacements do not postpone a task, 0 … ten years. Only with
   * `onDuplicate: 'replace'`. Default: no limit.
   */
  maxDelayMs?: number | undefined
  /** Overrides the key of a type that declares `concurrencyKey`, 1 … 200 characters. Default: the type's. */
  concurrencyKey?: string | null | undefined
  /** Attempts after the first, 0 … 100. Default: the type's, else the plugin's. */
  maxRetries?: number | undefined
  /** Seconds after which the handler's signal aborts, 1 … 2,147,483. Default: the type's, else the plugin's. */
  timeoutSeconds?: number | undefined
  /** Id of the user who creates the task, as text. Default null. */
  createdBy?: string | null | undefined
  /**
   * Your open transaction: Drizzle's, a `pg` client's, or any object with `query(text, values)`. The task exists if and
   * only if the transaction commits; executors are notified by the commit.
   */
  tx?: Transaction | undefined
}

/** The new task, or, with `created: false`, the unfinished task that has the unique key. */
export type CreatedTask = TaskDetail & {
  /** False: an unfinished task has the unique key, and this is it. */
  created: boolean
  /** With `onDuplicate: 'replace'` alone: whether that task has been changed. */
  replaced?: boolean
}

/** A finished task; its result has the type of the handler `T`, or is null. */
export type EndedTask<T> = Omit<TaskDetail, 'result'> & {
  /** What the handler returned, as JSON; null unless it completed with a result. */
  result: JsonOf<ResultOf<T>> | null
}

/** A task to create with `createTasks`. */
export interface NewTaskItem<T extends TaskReference = TaskReference>
  extends Omit<CreateTaskOptions, 'tx' | 'actor'> {
  /** A handler or a type's name. */
  task: T
  /** Checked by the type's schema. Default: none. */
  params?: ParamsOf<T> | undefined
}

/** Items of `createTasks`; each item's params have the type of its task. */
export type NewTaskItems<T extends readonly TaskReference[]> = {
  readonly [Index in keyof T]: NewTaskItem<T[Index]>
}
