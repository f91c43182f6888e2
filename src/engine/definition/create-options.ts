import { z } from 'zod'
import type { TaskDetail, TaskTypeView } from '../../contract/task.ts'
import type { Transaction } from '../../db/query-runner.ts'
import { describeError } from './outcome.ts'
import { anyParams } from './params.ts'
import { completeBackoff } from './retry-policy.ts'
import type { TaskSettings } from './settings.ts'
import type { JsonOf, ParamsOf, ParamsSchema, ResultOf, TaskDefinition, TaskReference } from './task.ts'

/** Options of a new task. They override the type's and the plugin's defaults. */
export interface CreateTaskOptions {
  /** −100 … 100, higher first. Default: the type's, else 0. */
  priority?: number
  /** Earliest start. Default: now. Give either this or `delayMs`. */
  runAt?: Date
  /** Milliseconds from now until the earliest start, by the database's clock, 0 … ten years. */
  delayMs?: number
  /**
   * 1 … 255 characters. At most one unfinished (pending or running) task has a given key, across all types. If the key is
   * in use, no task is created, and the existing one is returned with `created: false`. Default: none.
   */
  uniqueKey?: string
  /** `reject`: throw `DUPLICATE_TASK` if the unique key is in use, instead of returning its task. Default `return`. */
  onDuplicate?: 'return' | 'reject'
  /** Overrides the key of a type that declares `concurrencyKey`, 1 … 200 characters. Default: the type's. */
  concurrencyKey?: string | null
  /** Attempts after the first, 0 … 100. Default: the type's, else the plugin's. */
  maxRetries?: number
  /** Seconds after which the handler's signal aborts, 1 … 2,147,483. Default: the type's, else the plugin's. */
  timeoutSeconds?: number
  /** Id of the user who creates the task, as text. Default null. */
  createdBy?: string | null
  /**
   * Your open transaction: Drizzle's, a `pg` client's, or any object with `query(text, values)`. The task exists if and
   * only if the transaction commits; executors are notified by the commit.
   */
  tx?: Transaction
}

/** The new task, or, with `created: false`, the unfinished task that has the unique key. */
export type CreatedTask = TaskDetail & { created: boolean }

/** A finished task; its result has the type of the handler `T`, or is null. */
export type EndedTask<T> = Omit<TaskDetail, 'result'> & { result: JsonOf<ResultOf<T>> | null }

/** A task to create with `createTasks`. */
export interface NewTaskItem<T extends TaskReference = TaskReference> extends Omit<CreateTaskOptions, 'tx'> {
  task: T
  params?: ParamsOf<T>
}

/** Items of `createTasks`; each item's params have the type of its task. */
export type NewTaskItems<T extends readonly TaskReference[]> = {
  readonly [Index in keyof T]: NewTaskItem<T[Index]>
}

/** A type as the API shows it: the defaults that apply, and its params as JSON Schema. */
export function describeType(
  { type, options }: Pick<TaskDefinition, 'type' | 'options'>,
  settings: TaskSettings,
  paused: boolean,
): TaskTypeView {
  const { retry: policy = { baseMs: options.retryBaseMs ?? settings.retryBaseMs } } = options
  const retry = typeof policy === 'function' ? null : completeBackoff(policy, settings.retryBaseMs)
  return {
    taskType: type,
    timeoutSeconds: options.timeoutSeconds ?? settings.timeoutSeconds,
    maxRetries: options.maxRetries ?? settings.maxRetries,
    retryBaseMs: retry?.baseMs ?? settings.retryBaseMs,
    retry,
    priority: options.priority ?? 0,
    concurrency: options.concurrency ?? null,
    globalConcurrency: options.globalConcurrency ?? null,
    paused,
    params: jsonSchemaOf(options.params ?? anyParams),
  }
}

/** By schema: to generate those of thousands of types takes long. */
const jsonSchemas = new WeakMap<ParamsSchema, TaskTypeView['params']>()

function jsonSchemaOf(params: ParamsSchema): TaskTypeView['params'] {
  const made = jsonSchemas.get(params) ?? describeParams(params)
  jsonSchemas.set(params, made)
  return made
}

/** As JSON Schema. One that has no such form, as with a default that throws, must not hide the other types. */
function describeParams(params: ParamsSchema): TaskTypeView['params'] {
  try {
    const schema = z.toJSONSchema(params, { io: 'input', unrepresentable: 'any' })
    // Through text: the generated schema carries properties that are not JSON.
    return JSON.parse(JSON.stringify(schema))
  } catch (error) {
    return { description: `The schema has no form as JSON Schema: ${describeError(error)}` }
  }
}
