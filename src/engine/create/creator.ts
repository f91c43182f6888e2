import { setImmediate } from 'node:timers/promises'
import {
  type CallersTransaction,
  findTransactionProblem,
  requireTransaction,
  type Transaction,
} from '../../db/query-runner.ts'
import type { AuditedChange } from '../definition/actor.ts'
import type { CreatedTask, NewTaskItem } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { decodeParams } from '../definition/params.ts'
import type { TaskReference } from '../definition/task-reference.ts'
import { publishCreates } from '../runtime/diagnostics.ts'
import { INSERT_PART, type NewTask } from '../store/insert.ts'
import { type Insertion, insertIn, withdrawIn } from '../store/insert-unique.ts'
import { duePayload } from '../store/notify.ts'
import { requireValid, taskList } from './arguments.ts'
import { CreateQueue } from './create-queue.ts'
import { requireAccepted, toCreated, toEntries } from './created.ts'
import { KnownTypes } from './known-types.ts'
import type { ManagerParts } from './manager-parts.ts'
import { seemsDue } from './new-task.ts'

export class TaskCreator {
  readonly #parts: ManagerParts
  readonly #knownTypes: KnownTypes
  readonly #queue: CreateQueue

  constructor(parts: ManagerParts) {
    this.#parts = parts
    this.#knownTypes = new KnownTypes(parts)
    this.#queue = new CreateQueue(parts)
  }

  /** Resolves once the row is durable; with `tx`, once it is written there. */
  async create(
    item: NewTaskItem,
    { tx, audit }: { tx?: Transaction | undefined; audit?: AuditedChange | undefined } = {},
  ): Promise<CreatedTask> {
    checkTransaction(tx)
    const { factory, redaction, tracing } = this.#parts
    const task = withAudit(await factory.prepare(item), audit)
    const created = await (tracing
      ? tracing.create(
          task,
          (traced) => this.#insert(traced, item.task, tx),
          (error) => this.#hideInError([task], error),
        )
      : this.#insert(task, item.task, tx))
    publishCreates([created], tx === undefined)
    return redaction.hide(created)
  }

  async createAll(
    items: readonly NewTaskItem[],
    { tx, audit }: { tx?: Transaction | undefined; audit?: AuditedChange | undefined } = {},
  ): Promise<CreatedTask[]> {
    checkTransaction(tx)
    requireValid('list of tasks', taskList, items)
    if (items.length === 0) return []
    const { redaction, tracing } = this.#parts
    const tasks = await this.#prepare(items, audit)
    const references = items.map(({ task }) => task)
    const created = await (tracing
      ? tracing.createAll(
          tasks,
          (traced) => this.#insertAll(traced, references, tx),
          (error) => this.#hideInError(tasks, error),
        )
      : this.#insertAll(tasks, references, tx))
    publishCreates(created, tx === undefined)
    return created.map((one) => redaction.hide(one))
  }

  /** In parts, between which other work of the process goes on. */
  async #prepare(
    items: readonly NewTaskItem[],
    audit: AuditedChange | undefined,
  ): Promise<readonly NewTask[]> {
    const tasks: NewTask[] = []
    for (let from = 0; from < items.length; from += INSERT_PART) {
      if (from > 0) await setImmediate()
      const part = items.slice(from, from + INSERT_PART)
      const prepared = await Promise.all(part.map((item) => this.#parts.factory.prepare(item)))
      tasks.push(...prepared.map((task) => withAudit(task, audit)))
    }
    return tasks
  }

  #hideInError(tasks: readonly NewTask[], error: unknown): unknown {
    return tasks.reduce(
      (left, { taskType, params }) =>
        this.#parts.redaction.hideInError(taskType, decodeParams(Object.fromEntries(params)), left),
      error,
    )
  }

  async #insert(task: NewTask, reference: TaskReference, tx?: Transaction): Promise<CreatedTask> {
    await this.requireKnown([reference], tx)
    return tx
      ? ((await insertInto({ tx, schema: this.#parts.db.schema }, [task]))[0] as CreatedTask)
      : this.#queue.add(task)
  }

  async #insertAll(
    tasks: readonly NewTask[],
    references: readonly TaskReference[],
    tx?: Transaction,
  ): Promise<CreatedTask[]> {
    await this.requireKnown(references, tx)
    return tx ? insertInto({ tx, schema: this.#parts.db.schema }, tasks) : this.#queue.addAll(tasks)
  }

  /** Checks names; a handler cannot be misspelt. @throws TaskError `UNKNOWN_TASK_TYPE` */
  async requireKnown(tasks: readonly TaskReference[], tx?: Transaction): Promise<void> {
    const names = tasks.filter((task) => typeof task === 'string')
    if (names.length > 0) await this.#knownTypes.require([...new Set(names)], tx)
  }
}

/** Emits no event: PostgreSQL notifies executors at the commit. */
async function insertInto(on: CallersTransaction, tasks: readonly NewTask[]): Promise<CreatedTask[]> {
  await requireTransaction(on)
  // Of a delayed task each executor has to know.
  const count = tasks.every(seemsDue) ? tasks.length : Number.POSITIVE_INFINITY
  let inserted: Insertion | undefined
  const check = (insertion: Insertion) => {
    inserted = insertion
    requireAccepted(tasks, toCreated(tasks, insertion))
  }
  try {
    const steps = {
      check,
      toEntries: (insertion: Insertion) => toEntries(tasks, toCreated(tasks, insertion)),
    }
    return toCreated(tasks, await insertIn(on, tasks, duePayload(count), steps))
  } catch (error) {
    // The caller may continue the transaction.
    if (error instanceof TaskError && inserted) await withdrawIn(on, [...inserted.created.keys()])
    throw error
  }
}

function withAudit(task: NewTask, audit: AuditedChange | undefined): NewTask {
  return audit ? { ...task, audit } : task
}

function checkTransaction(tx: unknown): void {
  const detail = tx === undefined ? undefined : findTransactionProblem(tx)
  if (detail === undefined) return
  const problems = [{ pointer: '/tx', detail }]
  throw new TaskError('INVALID_ARGUMENT', `invalid task options: /tx: ${detail}`, { problems })
}
