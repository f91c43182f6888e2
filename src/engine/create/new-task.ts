import { uuidv7obj } from 'uuidv7'
import type { NewTaskItem } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { concurrencyKeyOf } from '../definition/limits.ts'
import { anyParams, decodeParams, prepareParams } from '../definition/params.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import { requireDefinitions, type TaskDefinition } from '../definition/task.ts'
import { checkType } from '../definition/task-options.ts'
import type { TaskReference } from '../definition/task-reference.ts'
import type { NewTask } from '../store/insert.ts'
import { requireValid, taskItem } from './arguments.ts'

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
    requireValid('task options', taskItem, item)
    const { task, params, ...options } = item
    const definition = this.findDefinition(task)
    const taskType = definition?.type ?? String(task)
    const defaults = definition?.options ?? {}
    const stored = await prepareParams(
      taskType,
      defaults.params ?? anyParams,
      params === undefined ? {} : params,
      this.#settings.maxParamsBytes,
    )
    this.#redaction.refuseMarker(taskType, params)
    return {
      taskId: `task_${uuidv7obj().toHex()}`,
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
      concurrencyKey: concurrencyKeyOf(
        taskType,
        definition?.options,
        () => decodeParams(Object.fromEntries(stored)),
        options.concurrencyKey ?? undefined,
      ),
    }
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

export function isDueNow({ runAt, delayMs }: NewTask): boolean {
  return runAt === null ? delayMs === 0 : runAt.getTime() <= Date.now()
}

export function isOverdue({ runAt }: NewTask): boolean {
  return runAt !== null && runAt.getTime() < Date.now() - OVERDUE_MS
}

export function sizeOf({ params }: NewTask): number {
  let size = 0
  for (const [key, value] of params) size += key.length + value.length
  return size
}
