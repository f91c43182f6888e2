import type { TaskList, TaskSummary } from '../contract/task.ts'
import { type AllListener, allOf } from './all-store.ts'
import type { TaskListQuery, TasksClient } from './client.ts'
import { TasksApiError } from './errors.ts'
import { pause } from './patience.ts'
import type { WatchConnection } from './watch.ts'

/** Tasks that come and go are shown by reading the list again, this often at most. */
const REREAD_MS = 1_000

export interface ListSnapshot {
  readonly list: TaskList | undefined
  readonly error: Error | undefined
  readonly connection: WatchConnection | 'idle'
}

export const NO_LIST: ListSnapshot = { list: undefined, error: undefined, connection: 'idle' }

/** One page of a list: read once, its rows kept fresh by the stream of all tasks. */
export class ListStore implements AllListener {
  readonly #client: TasksClient
  readonly #query: TaskListQuery
  readonly #onChanges = new Set<() => void>()
  #snapshot = NO_LIST
  #leave: (() => void) | undefined
  #left = new AbortController()
  #reading: Promise<void> | undefined
  #isStale = false

  constructor(client: TasksClient, query: TaskListQuery) {
    this.#client = client
    this.#query = query
  }

  readonly read = (): ListSnapshot => this.#snapshot

  readonly subscribe = (onChange: () => void): (() => void) => {
    this.#onChanges.add(onChange)
    if (!this.#leave) {
      this.#left = new AbortController()
      this.#leave = allOf(this.#client).enter(this)
    }
    return () => {
      this.#onChanges.delete(onChange)
      if (this.#onChanges.size > 0) return
      this.#leave?.()
      this.#leave = undefined
      this.#left.abort()
    }
  }

  /** Resolves when it has been read anew. */
  readonly refetch = async (): Promise<void> => {
    this.#isStale = true
    this.#reading ??= this.#readUntilFresh().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  onOpen(): void {
    void this.refetch()
  }

  onTask(task: TaskSummary): void {
    const { list } = this.#snapshot
    const { status } = this.#query
    const isShown = list?.tasks.some(({ taskId }) => taskId === task.taskId) ?? false
    const stillFits = !status || status.length === 0 || status.includes(task.status)
    if (list && isShown && stillFits) {
      const tasks = list.tasks.map((row) => (row.taskId === task.taskId ? task : row))
      this.#set({ list: { ...list, tasks } })
    } else if (isShown || (stillFits && this.#mayShow(task))) void this.refetch()
  }

  onConnection(connection: WatchConnection | 'idle'): void {
    this.#set({ connection })
  }

  onError(error: Error): void {
    this.#set({ error })
  }

  /** Whether a task that is not on this page might belong there. */
  #mayShow({ taskType }: TaskSummary): boolean {
    return this.#query.taskType === undefined || this.#query.taskType === taskType
  }

  async #readUntilFresh(): Promise<void> {
    const { signal } = this.#left
    while (this.#isStale && !signal.aborted) {
      this.#isStale = false
      try {
        this.#set({ list: await this.#client.listTasks(this.#query, { signal }), error: undefined })
      } catch (error) {
        if (signal.aborted) return
        this.#set({ error: error instanceof Error ? error : new Error(String(error)) })
        // The stream says when the server is back; until then there is nothing to read.
        if (!(error instanceof TasksApiError && error.isTransient)) return
      }
      if (this.#isStale) await pause(REREAD_MS, signal).catch(() => {})
    }
  }

  #set(change: Partial<ListSnapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change }
    for (const onChange of this.#onChanges) onChange()
  }
}
