import { uuidv7obj } from 'uuidv7'
import type { Database } from '../../db/database.ts'
import { findTransactionProblem, requireTransaction, type Transaction } from '../../db/query-runner.ts'
import type { CreatedTask, CreateTaskOptions, NewTaskItem } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { concurrencyKeyOf } from '../definition/limits.ts'
import { anyParams, decodeParams, prepareParams } from '../definition/params.ts'
import { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import { requireDefinitions, type TaskDefinition } from '../definition/task.ts'
import { checkType } from '../definition/task-options.ts'
import type { TaskReference } from '../definition/task-reference.ts'
import { Batcher } from '../runtime/batcher.ts'
import type { TaskEvents } from '../runtime/events.ts'
import {
  type Insertion,
  insertAllUnique,
  insertIn,
  insertTasks,
  insertUnique,
  isSettled,
  type NewTask,
  withdrawIn,
} from '../store/insert.ts'
import { duePayload } from '../store/notify.ts'
import { fromDetailRow, toDetail } from '../store/rows.ts'
import { createManyOptions, requireValid, taskItem, taskList } from './arguments.ts'
import { KnownTypes } from './known-types.ts'
import type { ManagerParts } from './manager-parts.ts'
import { type NewUniqueTask, UniqueCreates } from './unique-creates.ts'

/** What one statement takes when single creates share it. */
const BATCH = { maxItems: 1_000, maxBytes: 4 * 1_048_576, minShare: 8 }
/** Until a task that was due before it was created counts as overdue. */
const OVERDUE_MS = 1_000
/** What all tasks of a shared statement wait for a key that an open transaction holds; then each goes its own way. */
const SHARED_WAIT_MS = 50
/** One wait of a task that goes its own way; then the connection is free for others, and the next one begins. */
const KEY_WAIT_MS = 500

/** Checks new tasks and writes them; those that are created at the same time share a commit. */
export class TaskCreator {
  readonly #db: Database
  readonly #settings: TaskSettings
  readonly #definitions: ReadonlyMap<string, TaskDefinition>
  readonly #events: TaskEvents
  readonly #redaction: Redaction
  readonly #limiter: ManagerParts['limiter']
  readonly #knownTypes: KnownTypes
  readonly #inserts: Batcher<NewTask, CreatedTask>
  readonly #uniqueInserts: Batcher<NewTask, CreatedTask | undefined>
  readonly #uniqueCreates: UniqueCreates

  constructor(options: ManagerParts) {
    this.#db = options.db
    this.#settings = options.settings
    this.#definitions = options.definitions
    this.#events = options.events
    this.#redaction = new Redaction(options.settings.redact, options.definitions)
    this.#limiter = options.limiter
    this.#knownTypes = new KnownTypes(options)
    const limits = { ...BATCH, bytesOf }
    this.#inserts = new Batcher(limits, (tasks) => this.#insert(tasks))
    this.#uniqueInserts = new Batcher(limits, (tasks) => this.#insertUnique(tasks, SHARED_WAIT_MS))
    this.#uniqueCreates = new UniqueCreates((task) => this.#createUnique(task))
  }

  /** Resolves once the row is durable; in a transaction of the caller's, once it is written there. */
  async create(item: NewTaskItem, tx?: Transaction): Promise<CreatedTask> {
    checkTransaction(tx)
    const task = await this.prepare(item)
    await this.requireKnown([item.task], tx)
    // One task, one answer.
    if (tx) return this.#redaction.hide((await this.#insertIn(tx, [task]))[0] as CreatedTask)
    if (!hasKey(task)) return this.#redaction.hide(await this.#inserts.add(task))
    return this.#redaction.hide(accept(task, await this.#uniqueCreates.add(task)))
  }

  /** All of them or none. */
  async createAll(
    items: readonly NewTaskItem[],
    options: Pick<CreateTaskOptions, 'tx'> = {},
  ): Promise<CreatedTask[]> {
    const { tx } = requireValid('create options', createManyOptions, options)
    checkTransaction(tx)
    requireValid('list of tasks', taskList, items)
    if (items.length === 0) return []
    const tasks = await Promise.all(items.map((item) => this.prepare(item)))
    await this.requireKnown(
      items.map(({ task }) => task),
      tx,
    )
    const created = await this.#createAll(tasks, tx)
    return created.map((one) => this.#redaction.hide(one))
  }

  /**
   * Handlers pass: they are no names that could be misspelt, and their task may wait for another process.
   *
   * @throws TaskError `UNKNOWN_TASK_TYPE`
   */
  async requireKnown(tasks: readonly TaskReference[], tx?: Transaction): Promise<void> {
    const names = tasks.filter((task) => typeof task === 'string')
    if (names.length > 0) await this.#knownTypes.require([...new Set(names)], tx)
  }

  #createAll(tasks: readonly NewTask[], tx: Transaction | undefined): Promise<CreatedTask[]> {
    if (tx) return this.#insertIn(tx, tasks)
    return tasks.some(hasKey) ? this.#insertAllUnique(tasks) : this.#insert(tasks)
  }

  async #insert(tasks: readonly NewTask[]): Promise<CreatedTask[]> {
    const due = tasks.filter(isDueNow).length
    const notifies = due > 0 && this.#limiter?.shouldNotify() === true
    const { created, notified } = await insertTasks(this.#db, tasks, notifies ? duePayload(due) : null)
    const insertion = { created, holders: new Map() }
    this.#announce(tasks, insertion, notified)
    return toAnswers(tasks, insertion)
  }

  /** Emits no event: only the database learns of the commit, and notifies the executors then. */
  async #insertIn(tx: Transaction, tasks: readonly NewTask[]): Promise<CreatedTask[]> {
    await requireTransaction(tx)
    const insertion = await insertIn(tx, tasks, duePayload(tasks.length))
    try {
      return acceptAll(tasks, insertion)
    } catch (error) {
      // The caller may go on with the transaction.
      await withdrawIn(tx, [...insertion.created.keys()])
      throw error
    }
  }

  async #insertAllUnique(tasks: readonly NewTask[]): Promise<CreatedTask[]> {
    const check = (insertion: Insertion) => void acceptAll(tasks, insertion)
    const insertion = await this.#whileBusy(() => insertAllUnique(this.#db, tasks, KEY_WAIT_MS, check))
    this.#announce(tasks, insertion)
    return toAnswers(tasks, insertion)
  }

  async #createUnique(task: NewUniqueTask): Promise<CreatedTask> {
    const shared = await this.#uniqueInserts.add(task)
    if (shared) return shared
    return this.#whileBusy(async () => (await this.#insertUnique([task], KEY_WAIT_MS))[0])
  }

  /** Undefined for those that must try again. */
  async #insertUnique(tasks: readonly NewTask[], waitMs: number): Promise<(CreatedTask | undefined)[]> {
    const insertion = await insertUnique(this.#db, tasks, waitMs)
    if (!insertion) return tasks.map(() => undefined)
    this.#announce(tasks, insertion)
    const settled = tasks.filter((task) => isSettled(task, insertion))
    const answers = new Map(toAnswers(settled, insertion).map((answer, i) => [settled[i], answer]))
    return tasks.map((task) => answers.get(task))
  }

  /** Tries until another transaction no longer keeps a key of theirs in the balance. */
  async #whileBusy<T>(attempt: () => Promise<T | undefined>): Promise<T> {
    const waitMs = this.#db.answerTimeoutMs
    const deadline = performance.now() + waitMs
    do {
      const answer = await attempt()
      if (answer !== undefined) return answer
    } while (performance.now() < deadline)
    const detail = `a transaction that has not ended for ${waitMs / 1_000} s holds the unique key`
    throw new TaskError('UNIQUE_KEY_BUSY', detail)
  }

  #announce(tasks: readonly NewTask[], { created }: Insertion, notified = false): void {
    const made = tasks.filter(({ taskId }) => created.has(taskId))
    if (made.length === 0) return
    const count = made.filter(isDueNow).length
    this.#events.emit('created', {
      taskIds: made.map((task) => task.taskId),
      taskTypes: made.map((task) => task.taskType),
      dueNow: count > 0,
      overdue: made.some(isOverdue),
    })
    if (count > 0 && !notified) this.#events.emit('due', { count })
  }

  /** Checks a task without writing it. @throws TaskError `INVALID_PARAMS`, `INVALID_ARGUMENT` */
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

  /** Of a function that serves several types, the one that is registered here is meant. */
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

function isDueNow({ runAt, delayMs }: NewTask): boolean {
  return runAt === null ? delayMs === 0 : runAt.getTime() <= Date.now()
}

/** It has been due for longer than claims that look at the latest alone are sure to reach back. */
export function isOverdue({ runAt }: NewTask): boolean {
  return runAt !== null && runAt.getTime() < Date.now() - OVERDUE_MS
}

function hasKey(task: NewTask): task is NewUniqueTask {
  return task.uniqueKey !== null
}

/** @throws TaskError `INVALID_ARGUMENT` */
function checkTransaction(tx: unknown): void {
  const detail = tx === undefined ? undefined : findTransactionProblem(tx)
  if (detail === undefined) return
  const problems = [{ pointer: '/tx', detail }]
  throw new TaskError('INVALID_ARGUMENT', `invalid task options: /tx: ${detail}`, { problems })
}

/** @throws TaskError `DUPLICATE_TASK` */
function acceptAll(tasks: readonly NewTask[], insertion: Insertion): CreatedTask[] {
  return toAnswers(tasks, insertion).map((created, i) => accept(tasks[i] as NewTask, created))
}

function accept({ onDuplicate, uniqueKey }: NewTask, created: CreatedTask): CreatedTask {
  if (created.created || onDuplicate === 'return') return created
  const { taskId, status } = created
  throw new TaskError(
    'DUPLICATE_TASK',
    `${taskId} has the unique key ${JSON.stringify(uniqueKey)}: ${status}`,
  )
}

/** One for each task, in their order. */
function toAnswers(tasks: readonly NewTask[], { created, holders }: Insertion): CreatedTask[] {
  const byKey = new Map([...holders].map(([key, row]) => [key, fromDetailRow(row)]))
  return tasks.map((task) => {
    const { taskId, uniqueKey } = task
    const own = created.get(taskId)
    if (own) {
      const detail = toDetail(own, Object.fromEntries(task.params), [])
      if (uniqueKey !== null) byKey.set(uniqueKey, detail)
      return { ...detail, created: true }
    }
    const other = uniqueKey === null ? undefined : byKey.get(uniqueKey)
    if (!other) throw new Error(`the insert did not answer ${taskId}`)
    return { ...other, created: false }
  })
}

function bytesOf({ params }: NewTask): number {
  let bytes = 0
  for (const [key, value] of params) bytes += key.length + value.length
  return bytes
}
