import type { NewTaskItem } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { concurrencyKeyOf, rateKeyOf } from '../definition/limits.ts'
import { anyParams, prepareParams, restoreParams, type StoredParams } from '../definition/params.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import { requireDefinitions, type TaskDefinition } from '../definition/task.ts'
import { checkType } from '../definition/task-options.ts'
import type { TaskReference } from '../definition/task-reference.ts'
import type { NewTask } from '../store/insert.ts'
import { requireValid, taskItem } from './arguments.ts'
import { newTaskId } from './task-ids.ts'

/** A claim of recent tasks may miss a task that has been due for longer. */
const OVERDUE_MS = 1_000

export interface TaskFactoryOptions {
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly redaction: Redaction
}

export class TaskFactory {
  readonly #settings: TaskSettings
  readonly #definitions: ReadonlyMap<string, TaskDefinition>
  readonly #redaction: Redaction

  constructor({ settings, definitions, redaction }: TaskFactoryOptions) {
    this.#settings = settings
    this.#definitions = definitions
    this.#redaction = redaction
  }

  /** @throws TaskError `INVALID_PARAMS`, `INVALID_ARGUMENT` */
  async prepare(item: NewTaskItem): Promise<NewTask> {
    const { task, params, ...options } = item
    if (Object.keys(options).length > 0) requireValid('task options', taskItem, item)
    const definition = this.findDefinition(task)
    const taskType = definition?.type ?? String(task)
    const defaults = definition?.options ?? {}
    const stored = await this.#prepareParams(taskType, definition, params === undefined ? {} : params)
    const restored = await restoreForKeys(definition, () => Object.fromEntries(stored))
    return {
      taskId: newTaskId(),
      taskType,
      params: stored,
      priority: options.priority ?? defaults.priority ?? 0,
      runAt: options.runAt ?? null,
      delayMs: options.delayMs ?? 0,
      maxRetries: options.maxRetries ?? defaults.maxRetries ?? this.#settings.maxRetries,
      timeoutSeconds: options.timeoutSeconds ?? defaults.timeoutSeconds ?? this.#settings.timeoutSeconds,
      createdBy: options.createdBy ?? null,
      uniqueKey: options.uniqueKey ?? null,
      onDuplicate: options.onDuplicate ?? 'return',
      maxDelayMs: options.maxDelayMs ?? null,
      expiresAt: options.expiresAt ?? null,
      rateKey: rateKeyOf(taskType, definition?.options, restored),
      concurrencyKey: concurrencyKeyOf(
        taskType,
        definition?.options,
        restored,
        options.concurrencyKey ?? undefined,
      ),
    }
  }

  /** New params of a pending task. @throws TaskError `INVALID_PARAMS` */
  prepareParams(taskType: string, params: unknown): Promise<StoredParams> {
    return this.#prepareParams(taskType, this.#definitions.get(taskType), params)
  }

  /** The key for its rate that the type computes from params. @throws TaskError `INVALID_ARGUMENT`, or what its function throws */
  async rateKeyOf(taskType: string, stored: StoredText): Promise<string | null> {
    const definition = this.#definitions.get(taskType)
    return rateKeyOf(taskType, definition?.options, await restoreForKeys(definition, () => stored))
  }

  /** The key that the type computes from params. @throws TaskError `INVALID_ARGUMENT`, or what its function throws */
  async concurrencyKeyOf(taskType: string, stored: StoredText): Promise<string | null> {
    const definition = this.#definitions.get(taskType)
    return concurrencyKeyOf(taskType, definition?.options, await restoreForKeys(definition, () => stored))
  }

  async #prepareParams(
    taskType: string,
    definition: TaskDefinition | undefined,
    params: unknown,
  ): Promise<StoredParams> {
    const schema = definition?.options.params ?? anyParams
    const stored = await prepareParams(taskType, schema, params, this.#settings.maxParamsBytes)
    this.#redaction.refuseMarker(taskType, params)
    return stored
  }

  /** @throws TaskError `INVALID_ARGUMENT` for no task, or a function of several types that are registered here */
  findDefinition(task: TaskReference): TaskDefinition | undefined {
    if (typeof task === 'string') {
      checkType(task)
      return this.#definitions.get(task)
    }
    const all = requireDefinitions(task)
    const here = all
      .flatMap(({ type }) => this.#definitions.get(type) ?? [])
      .filter(({ handler }) => handler === task)
    const candidates = here.length > 0 ? here : all
    const [definition] = candidates
    if (definition && candidates.length === 1) return definition
    throw new TaskError('INVALID_ARGUMENT', `'${task.name}' handles several types: name one`)
  }
}

type StoredText = Readonly<Record<string, string>> | null

/** Params for the functions that compute keys, as a handler gets them: with the dates that its schema makes of text. */
async function restoreForKeys(
  definition: TaskDefinition | undefined,
  stored: () => StoredText,
): Promise<Record<string, unknown>> {
  if (!definition) return {}
  const { type, options } = definition
  if (!options.concurrencyKey && !options.rateLimit?.key) return {}
  return restoreParams(type, options.params ?? anyParams, stored())
}

/** By the clock of this process, before the database's decides. */
export function seemsDue({ runAt, delayMs }: NewTask): boolean {
  return runAt === null ? delayMs === 0 : runAt.getTime() <= Date.now()
}

/** @param inMs until it is due; negative: since when it has been */
export function isOverdue(inMs: number): boolean {
  return inMs < -OVERDUE_MS
}

export function sizeOf({ params }: NewTask): number {
  let size = 0
  for (const [key, value] of params) size += key.length + value.length
  return size
}
