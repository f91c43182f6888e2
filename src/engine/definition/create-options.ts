import { z } from 'zod'
import type { TaskDetail, TaskTypeView } from '../../contract/task.ts'
import type { Transaction } from '../../db/query-runner.ts'
import { describeError } from './outcome.ts'
import { anyParams } from './params.ts'
import { completeBackoff } from './retry-policy.ts'
import type { TaskSettings } from './settings.ts'
import type { JsonOf, ParamsOf, ParamsSchema, ResultOf, TaskDefinition, TaskReference } from './task.ts'

/** What a call may say about the task it creates; it wins over the type's and the plugin's defaults. */
export interface CreateTaskOptions {
  /** −100 … 100, higher first. Default: the type's, else 0. */
  priority?: number
  /** Not before this instant. Default: now. */
  runAt?: Date
  /** Due so many milliseconds from now by the database's clock, 0 … ten years; instead of `runAt`. */
  delayMs?: number
  /**
   * 1 … 255 characters. At most one unfinished (pending or running) task of whatever type has a key: while there is
   * one, a create with its key makes none and answers that task, with `created: false`.
   */
  uniqueKey?: string
  /** `reject`: a create that finds its unique key in use throws `DUPLICATE_TASK` instead. Default `return`. */
  onDuplicate?: 'return' | 'reject'
  /** 1 … 200 characters: what the type's `concurrency` counts by. Default: the type's. */
  concurrencyKey?: string | null
  /** Further attempts after the first, 0 … 100. */
  maxRetries?: number
  /** Seconds until the handler's signal aborts, 1 … 2,147,483. */
  timeoutSeconds?: number
  /** Who asked for it: an id, as text. */
  createdBy?: string | null
  /**
   * A transaction of yours: Drizzle's, a `pg` client in one, or anything with `query(text, values)`. The task exists if
   * and only if it commits, and is picked up at once after that.
   */
  tx?: Transaction
}

/** `created` is false where the unique key belongs to an unfinished task: then it is that one. */
export type CreatedTask = TaskDetail & { created: boolean }

/** A task that was waited for; its result has the type of what its handler `T` returns, or is null. */
export type EndedTask<T> = Omit<TaskDetail, 'result'> & { result: JsonOf<ResultOf<T>> | null }

/** One of many tasks to create. */
export interface NewTaskItem<T extends TaskReference = TaskReference> extends Omit<CreateTaskOptions, 'tx'> {
  task: T
  params?: ParamsOf<T>
}

/** Items whose params are those of the task beside them. */
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
