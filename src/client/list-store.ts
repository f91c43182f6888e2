import type { TaskList, TaskStatus, TaskSummary } from '../contract/task.ts'
import { allOf } from './all-store.ts'
import type { TaskListQuery, TasksClient } from './client.ts'
import { failureWaitMs, isFinal, toError } from './errors.ts'
import { pause } from './patience.ts'
import { type Known, Store } from './store.ts'

/** Tasks that come and go are shown by reading the list again, this often at most. */
const REREAD_MS = 1_000
const MAX_STATUSES = 2_000

export interface ListSnapshot extends Known {
  readonly list: TaskList | undefined
}

export const NO_LIST: ListSnapshot = { list: undefined, error: undefined, connection: 'idle' }

/** One page of a list: read once, its rows kept fresh by the stream of all tasks. */
export class ListStore extends Store<ListSnapshot> {
  readonly #client: TasksClient
  readonly #query: TaskListQuery
  #leaveAll: (() => void) | undefined
  #isStale = false
  /** Rows that changed since the read under way began: newer than what it returns. Undefined while nothing is read. */
  #changed: Map<string, TaskSummary> | undefined
  /** The latest status of tasks that are not shown: while it stays the same the page does, too. */
  readonly #statuses = new Map<string, TaskStatus>()
  #reads = 0
  /** Callers of `refetch`, each with the number of the first read that began after its call. */
  #waiting: { readonly read: number; readonly resolve: () => void }[] = []

  /** `before`: shown until the list is read. */
  constructor(client: TasksClient, query: TaskListQuery, before: TaskList | undefined) {
    super({ ...NO_LIST, list: before })
    this.#client = client
    this.#query = query
  }

  readonly read = (): ListSnapshot => this.snapshot

  readonly subscribe = (onChange: () => void): (() => void) => {
    const leave = this.enter({ onChange })
    this.#leaveAll ??= this.#enterAll()
    return leave
  }

  /** Resolves when it has been read anew, or could not be (then `error` is set). */
  readonly refetch = async (): Promise<void> => {
    if (!this.isWanted) {
      await this.#readOnce(undefined).catch((error: Error) => this.set({ error }))
      return
    }
    const read = this.#reads + 1
    const settled = new Promise<void>((resolve) => this.#waiting.push({ read, resolve }))
    this.#markStale()
    await settled
  }

  #enterAll(): () => void {
    const all = allOf(this.#client)
    const onChange = () => {
      const { connection, error } = all.snapshot
      this.set({ connection, ...(error && { error }) })
    }
    const leave = all.enter({ onChange })
    const unobserve = all.observe((event) => {
      // What changed before a connection opened may have been missed.
      if (event.type === 'open') this.#markStale()
      if (event.type === 'task') this.onTask(event.task)
      if (event.type === 'deleted') this.#onDeleted(event.taskId)
    })
    onChange()
    return () => {
      leave()
      unobserve()
    }
  }

  onTask(task: TaskSummary): void {
    this.#changed?.set(task.taskId, task)
    const { list } = this.snapshot
    const isShown = list?.tasks.some(({ taskId }) => taskId === task.taskId) ?? false
    if (list && isShown && this.#fits(task))
      this.set({ list: withRows(list, new Map([[task.taskId, task]])) })
    // One that is on another page, or leaves it, changes the total.
    else if (isShown || (this.#mayShow(task) && this.#statuses.get(task.taskId) !== task.status))
      this.#markStale()
    this.#noteStatus(task)
  }

  #onDeleted(taskId: string): void {
    this.#changed?.delete(taskId)
    const { list } = this.snapshot
    const left = list?.tasks.filter((task) => task.taskId !== taskId)
    if (list && left && left.length < list.tasks.length) this.set({ list: { ...list, tasks: left } })
    this.#markStale()
  }

  #markStale(): void {
    this.#isStale = true
    this.resume()
  }

  #noteStatus({ taskId, status }: TaskSummary): void {
    this.#statuses.delete(taskId)
    this.#statuses.set(taskId, status)
    for (const oldest of this.#statuses.keys()) {
      if (this.#statuses.size <= MAX_STATUSES) return
      this.#statuses.delete(oldest)
    }
  }

  #fits({ status }: TaskSummary): boolean {
    const wanted = this.#query.status
    return !wanted || wanted.length === 0 || wanted.includes(status)
  }

  /** Whether a task that is not on this page might belong there. */
  #mayShow({ taskType }: TaskSummary): boolean {
    return this.#query.taskType === undefined || this.#query.taskType === taskType
  }

  protected async work(signal: AbortSignal): Promise<void> {
    for (let failures = 0; ; ) {
      const startedAt = performance.now()
      try {
        await this.#readOnce(signal)
        if (!this.#isStale) return
        failures = 0
        await pause(this.#waiting.length > 0 ? 0 : REREAD_MS, signal)
      } catch (error) {
        if (signal.aborted || isFinal(error)) throw error
        failures += 1
        this.set({ error: toError(error) })
        this.#settle()
        // While the stream is lost, too, its next connection shows when the server is back.
        if (this.snapshot.connection === 'lost' || this.snapshot.connection === 'connecting') return
        await pause(failureWaitMs(error, failures, startedAt), signal)
      }
    }
  }

  async #readOnce(signal: AbortSignal | undefined): Promise<void> {
    this.#isStale = false
    this.#reads += 1
    const read = this.#reads
    const list = await this.#readFresh(signal)
    signal?.throwIfAborted()
    // A row that left the filter while the list was read is on the page that comes next.
    this.set({ list, error: undefined })
    this.#settle(read)
    allOf(this.#client).resume()
  }

  async #readFresh(signal: AbortSignal | undefined): Promise<TaskList> {
    const changed = new Map<string, TaskSummary>()
    this.#changed = changed
    try {
      return withRows(await this.#client.listTasks(this.#query, { signal }), changed)
    } finally {
      if (this.#changed === changed) this.#changed = undefined
    }
  }

  protected override rest(): void {
    this.#settle()
  }

  protected override abandon(): void {
    this.#leaveAll?.()
    this.#leaveAll = undefined
  }

  /** @param read the latest one that has ended. Default: none is to come */
  #settle(read = Number.POSITIVE_INFINITY): void {
    const settled = this.#waiting.filter((one) => one.read <= read)
    this.#waiting = this.#waiting.filter((one) => one.read > read)
    for (const { resolve } of settled) resolve()
  }
}

function withRows(list: TaskList, changed: ReadonlyMap<string, TaskSummary>): TaskList {
  return { ...list, tasks: list.tasks.map((row) => changed.get(row.taskId) ?? row) }
}
