import { z } from 'zod'
import type { TaskDetail, TaskTypeView } from '../contract/task.ts'
import { anyParams } from './params.ts'
import type { TaskSettings } from './settings.ts'
import type { ParamsOf, TaskDefinition, TaskReference } from './task.ts'

/** What a call may say about the task it creates; it wins over the type's and the plugin's defaults. */
export interface CreateTaskOptions {
  /** −100 … 100, higher first. Default: the type's, else 0. */
  priority?: number
  /** Not before this instant. Default: now. */
  runAt?: Date
  /** Further attempts after the first, 0 … 100. */
  maxRetries?: number
  /** Seconds until the handler's signal aborts, 1 … 2,147,483. */
  timeoutSeconds?: number
  /** Who asked for it: an id, as text. */
  createdBy?: string | null
}

/** A task that was just created. */
export type CreatedTask = TaskDetail & { created: boolean }

/** One of many tasks to create. */
export interface NewTaskItem<T extends TaskReference = TaskReference> extends CreateTaskOptions {
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
  const schema = z.toJSONSchema(options.params ?? anyParams, { io: 'input', unrepresentable: 'any' })
  return {
    taskType: type,
    timeoutSeconds: options.timeoutSeconds ?? settings.timeoutSeconds,
    maxRetries: options.maxRetries ?? settings.maxRetries,
    retryBaseMs: options.retryBaseMs ?? settings.retryBaseMs,
    priority: options.priority ?? 0,
    concurrency: options.concurrency ?? null,
    globalConcurrency: options.globalConcurrency ?? null,
    paused,
    // Through text: the generated schema carries properties that are not JSON.
    params: JSON.parse(JSON.stringify(schema)),
  }
}
