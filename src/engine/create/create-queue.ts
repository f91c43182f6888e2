import type { Database } from '../../db/database.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { Batcher } from '../runtime/batcher.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { INSERT_PART, insertInParts, insertTasks, type NewTask } from '../store/insert.ts'
import { type Insertion, insertAllUnique, insertUnique, isResolved } from '../store/insert-unique.ts'
import { duePayload } from '../store/notify.ts'
import type { TaskTimes } from '../store/rows.ts'
import { hasKey, type NewUniqueTask, requireAccepted, toCreated, toEntries } from './created.ts'
import { HeldEntries } from './held-entries.ts'
import type { ManagerOptions } from './manager-parts.ts'
import { isOverdue, seemsDue, sizeOf } from './new-task.ts'
import { type UniqueCreated, UniqueCreates } from './unique-creates.ts'

const BATCH = { maxItems: 1_000, maxBytes: 4 * 1_048_576, minShare: 8, bytesOf: sizeOf }
/** A shared statement waits this long for keys in open transactions; then each task waits alone. */
const SHARED_WAIT_MS = 50
/** Between two waits of one task its connection serves others. */
const KEY_WAIT_MS = 500

/** A claim skips a locked row: replacements of one that is due, one after another, would keep it from starting. */
const CLAIM_MS = 50

const entriesOf = (tasks: readonly NewTask[]) => (insertion: Insertion) =>
  toEntries(tasks, toCreated(tasks, insertion))

/** Inserts tasks, single creates of the same moment with one commit, and emits `created`. */
export class CreateQueue {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #limiter: ManagerOptions['limiter']
  readonly #inserts = new Batcher(BATCH, (tasks: readonly NewTask[]) => this.#insert(tasks))
  readonly #uniqueInserts = new Batcher(BATCH, (tasks: readonly NewUniqueTask[]) =>
    this.#insertUnique(tasks, SHARED_WAIT_MS),
  )
  readonly #replacements = new Batcher(BATCH, (tasks: readonly NewUniqueTask[]) =>
    this.#replace(tasks, SHARED_WAIT_MS),
  )
  readonly #uniqueCreates = new UniqueCreates((task) => this.#createUnique(task))
  readonly #heldEntries: HeldEntries

  constructor({ db, events, limiter }: Pick<ManagerOptions, 'db' | 'events' | 'limiter'>) {
    this.#db = db
    this.#events = events
    this.#limiter = limiter
    this.#heldEntries = new HeldEntries(db, events)
  }

  async add(task: NewTask): Promise<CreatedTask> {
    if (!hasKey(task)) return this.#inserts.add(task)
    const { created, isShared } = await this.#uniqueCreates.add(task)
    requireAccepted([task], [created])
    // The statement of a create, and the transaction of a replacement, has written its entry.
    const isRecorded = created.created || task.onDuplicate === 'replace'
    if (isShared || !isRecorded) await this.#heldEntries.add(task, created)
    return created
  }

  /** All or none. @throws TaskError `DUPLICATE_TASK`, `UNIQUE_KEY_BUSY` */
  async addAll(tasks: readonly NewTask[]): Promise<CreatedTask[]> {
    if (!tasks.some(hasKey)) {
      return tasks.length > INSERT_PART ? this.#insertInParts(tasks) : this.#insert(tasks)
    }
    const check = (insertion: Insertion) => requireAccepted(tasks, toCreated(tasks, insertion))
    const steps = { check, toEntries: entriesOf(tasks) }
    const insertion = await this.#whileBusy(() => insertAllUnique(this.#db, tasks, KEY_WAIT_MS, steps))
    this.#announce(tasks, insertion)
    return toCreated(tasks, insertion)
  }

  async #insert(tasks: readonly NewTask[]): Promise<CreatedTask[]> {
    const due = tasks.filter(seemsDue).length
    const notifies = due > 0 && this.#limiter?.takeTurn() === true
    const { created, notified } = await insertTasks(this.#db, tasks, notifies ? duePayload(due) : null)
    const insertion = { created, holders: new Map() }
    this.#announce(tasks, insertion, notified)
    return toCreated(tasks, insertion)
  }

  async #insertInParts(tasks: readonly NewTask[]): Promise<CreatedTask[]> {
    const all = new Map<string, TaskTimes>()
    const holders: Insertion['holders'] = new Map()
    const detailed = await insertInParts(this.#db, tasks, (part, created) => {
      for (const [taskId, times] of created) all.set(taskId, times)
      return toCreated(part, { created, holders })
    })
    this.#announce(tasks, { created: all, holders })
    return detailed
  }

  async #createUnique(task: NewUniqueTask): Promise<UniqueCreated> {
    const replaces = task.onDuplicate === 'replace'
    const shared = await (replaces ? this.#replacements : this.#uniqueInserts).add(task)
    if (shared) return shared
    return this.#whileBusy(async () => {
      const [created] = await (replaces
        ? this.#replace([task], KEY_WAIT_MS)
        : this.#insertUnique([task], KEY_WAIT_MS))
      return created
    })
  }

  async #replace(tasks: readonly NewUniqueTask[], waitMs: number): Promise<(UniqueCreated | undefined)[]> {
    const insertion = await insertAllUnique(this.#db, tasks, waitMs, { toEntries: entriesOf(tasks) })
    if (!insertion) return tasks.map(() => undefined)
    this.#announce(tasks, insertion)
    const restMs = ({ uniqueKey, replaced }: CreatedTask) =>
      replaced && (insertion.replaced?.get(uniqueKey ?? '')?.inMs ?? 1) <= 0 ? CLAIM_MS : 0
    return toCreated(tasks, insertion).map((created) => ({ created, restMs: restMs(created) }))
  }

  async #insertUnique(
    tasks: readonly NewUniqueTask[],
    waitMs: number,
  ): Promise<(UniqueCreated | undefined)[]> {
    const insertion = await insertUnique(this.#db, tasks, waitMs)
    if (!insertion) return tasks.map(() => undefined)
    this.#announce(tasks, insertion)
    const resolved = tasks.filter((task) => isResolved(task, insertion))
    const entries = toCreated(resolved, insertion).map((one) => ({ created: one, restMs: 0 }))
    const created = new Map(entries.map((entry, i) => [resolved[i], entry]))
    return tasks.map((task) => created.get(task))
  }

  /** Retries while another transaction holds a key. @throws TaskError `UNIQUE_KEY_BUSY` */
  async #whileBusy<T>(attempt: () => Promise<T | undefined>): Promise<T> {
    const waitMs = this.#db.responseTimeoutMs
    const deadline = performance.now() + waitMs
    do {
      const result = await attempt()
      if (result !== undefined) return result
    } while (performance.now() < deadline)
    const detail = `a transaction that has not ended for ${waitMs / 1_000} s holds the unique key`
    throw new TaskError('UNIQUE_KEY_BUSY', detail)
  }

  #announce(tasks: readonly NewTask[], insertion: Insertion, notified = false): void {
    for (const { key: _key, ...run } of insertion.expired ?? []) {
      this.#events.emit('cancelled', { ...run, wasPending: true, reason: 'expired', isCounted: true })
    }
    this.#announceCreated(tasks, insertion, notified)
    for (const { row, inMs } of insertion.replaced?.values() ?? []) {
      const { taskId, taskType, runAt } = row
      this.#events.emit('changed', { taskId, taskType, overdue: isOverdue(inMs), inMs, isReplaced: true })
      if (inMs > 0) this.#events.emit('delayed', { dueAt: +runAt, inMs })
      else this.#events.emit('due', { count: 1 })
    }
  }

  #announceCreated(tasks: readonly NewTask[], { created }: Insertion, notified: boolean): void {
    const made = tasks.filter(({ taskId }) => created.has(taskId))
    if (made.length === 0) return
    const delays = [...created.values()].map(({ runAt, createdAt }) => ({
      dueAt: +runAt,
      inMs: +runAt - +createdAt,
    }))
    const later = delays.filter(({ inMs }) => inMs > 0)
    const due = made.length - later.length
    this.#events.emit('created', {
      taskIds: made.map((task) => task.taskId),
      taskTypes: made.map((task) => task.taskType),
      dueNow: due > 0,
      overdue: delays.some(({ inMs }) => isOverdue(inMs)),
    })
    if (due > 0 && !notified) this.#events.emit('due', { count: due })
    // The first of those due later: its claim reads when the next one is due.
    const [first] = later.toSorted((a, b) => a.dueAt - b.dueAt)
    if (first) this.#events.emit('delayed', first)
  }
}
