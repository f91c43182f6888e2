import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../db/database.ts'
import { createOptions, requireValid } from './arguments.ts'
import { Batcher } from './batcher.ts'
import type { CreatedTask, NewTaskItem } from './create-options.ts'
import { TaskError } from './errors.ts'
import type { TaskEvents } from './events.ts'
import { anyParams, prepareParams } from './params.ts'
import type { TaskSettings } from './settings.ts'
import { insertTasks, type NewTask } from './store/insert.ts'
import { type TaskRow, toDetail } from './store/rows.ts'
import { checkType, findDefinitions, type TaskDefinition, type TaskReference } from './task.ts'

/** What one statement takes when single creates share it. */
const BATCH = { maxItems: 1_000, maxBytes: 4 * 1_048_576 }

/** Checks new tasks and writes them; those that are created at the same time share a commit. */
export class TaskCreator {
  readonly #db: Database
  readonly #settings: TaskSettings
  readonly #definitions: ReadonlyMap<string, TaskDefinition>
  readonly #events: TaskEvents
  readonly #inserts: Batcher<NewTask, CreatedTask>

  constructor(options: {
    db: Database
    settings: TaskSettings
    definitions: ReadonlyMap<string, TaskDefinition>
    events: TaskEvents
  }) {
    this.#db = options.db
    this.#settings = options.settings
    this.#definitions = options.definitions
    this.#events = options.events
    this.#inserts = new Batcher({ ...BATCH, bytesOf }, (tasks) => this.#insert(tasks))
  }

  /** Resolves once the row is durable. */
  async create(item: NewTaskItem): Promise<CreatedTask> {
    return this.#inserts.add(await this.prepare(item))
  }

  /** All of them or none, in one statement. */
  async createAll(items: readonly NewTaskItem[]): Promise<CreatedTask[]> {
    if (items.length === 0) return []
    return this.#insert(await Promise.all(items.map((item) => this.prepare(item))))
  }

  async #insert(tasks: readonly NewTask[]): Promise<CreatedTask[]> {
    const rows = await insertTasks(this.#db, tasks)
    const now = Date.now()
    this.#events.emit('created', {
      taskIds: tasks.map((task) => task.taskId),
      taskTypes: tasks.map((task) => task.taskType),
      dueNow: tasks.some((task) => task.runAt === null || task.runAt.getTime() <= now),
    })
    return tasks.map((task) => toCreated(task, rows.get(task.taskId)))
  }

  /** Checks a task without writing it. @throws TaskError `INVALID_PARAMS`, `INVALID_ARGUMENT` */
  async prepare(item: NewTaskItem): Promise<NewTask> {
    const { task, params, ...options } = item
    requireValid('task options', createOptions, options)
    const definition = this.findDefinition(task)
    const taskType = definition?.type ?? String(task)
    const defaults = definition?.options ?? {}
    const stored = await prepareParams(taskType, defaults.params ?? anyParams, params ?? {})
    return {
      taskId: `task_${uuidv7().replaceAll('-', '')}`,
      taskType,
      params: stored,
      priority: options.priority ?? defaults.priority ?? 0,
      runAt: options.runAt ?? null,
      maxRetries: options.maxRetries ?? defaults.maxRetries ?? this.#settings.maxRetries,
      timeoutSeconds: options.timeoutSeconds ?? defaults.timeoutSeconds ?? this.#settings.timeoutSeconds,
      createdBy: options.createdBy ?? null,
    }
  }

  /** Of a function that serves several types, the one that is registered here is meant. */
  findDefinition(task: TaskReference): TaskDefinition | undefined {
    if (typeof task === 'string') {
      checkType(task)
      return this.#definitions.get(task)
    }
    const all = findDefinitions(task)
    const here = all
      .flatMap(({ type }) => this.#definitions.get(type) ?? [])
      .filter(({ handler }) => handler === task)
    const candidates = here.length > 0 ? here : all
    const [definition] = candidates
    if (definition && candidates.length === 1) return definition
    const name = task?.name || String(task)
    const problem = definition
      ? 'handles several types: name one'
      : 'was never passed to task(): register it first'
    throw new TaskError('INVALID_ARGUMENT', `'${name}' ${problem}`)
  }
}

function toCreated(task: NewTask, row: TaskRow | undefined): CreatedTask {
  if (!row) throw new Error(`the insert did not answer ${task.taskId}`)
  return { ...toDetail(row, Object.fromEntries(task.params), []), created: true }
}

function bytesOf({ params }: NewTask): number {
  let bytes = 0
  for (const [key, value] of params) bytes += key.length + value.length
  return bytes
}
