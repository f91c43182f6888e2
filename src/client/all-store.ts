import type { TaskSummary } from '../contract/task.ts'
import { Activity } from './activity.ts'
import type { TasksClient } from './client.ts'
import type { WatchConnection } from './watch.ts'
import type { TasksWatchEvent } from './watch-all.ts'

export interface AllListener {
  /** What changed before may have been missed: read what is shown. */
  onOpen(): void
  onTask(task: TaskSummary): void
  onDeleted(taskId: string): void
  onConnection(connection: WatchConnection | 'idle'): void
  /** A final refusal, such as a session that has ended. */
  onError(error: Error): void
}

/** All tasks on a page: one connection for however many lists, none while the tab is hidden or there is no list. */
export class AllStore {
  readonly #client: TasksClient
  readonly #activity = new Activity<AllListener>({
    work: (signal) => this.#follow(signal),
    onRefused: (error) => this.#each((listener) => listener.onError(error)),
    onRest: () => this.#setConnection('idle'),
  })
  /** They learn what others follow. */
  readonly #observers = new Set<(event: TasksWatchEvent) => void>()
  #connection: WatchConnection | 'idle' = 'idle'

  constructor(client: TasksClient) {
    this.#client = client
  }

  /** Returns a function that removes the listener again. */
  enter(listener: AllListener): () => void {
    listener.onConnection(this.#connection)
    return this.#activity.enter(listener)
  }

  /** Calls back with each event while there are listeners; opens no connection. Returns a function that ends it. */
  observe(observer: (event: TasksWatchEvent) => void): () => void {
    this.#observers.add(observer)
    return () => void this.#observers.delete(observer)
  }

  /** Follows again after a refusal: something else was answered meanwhile. */
  resume(): void {
    this.#activity.resume()
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const onConnection = (connection: WatchConnection) => {
      if (!signal.aborted) this.#setConnection(connection)
    }
    for await (const event of this.#client.watchAll({ signal, onConnection })) {
      if (signal.aborted) return
      this.#each((listener) => {
        if (event.type === 'open') listener.onOpen()
        else if (event.type === 'task') listener.onTask(event.task)
        else if (event.type === 'deleted') listener.onDeleted(event.taskId)
      })
      for (const observer of this.#observers) observer(event)
    }
  }

  #setConnection(connection: WatchConnection | 'idle'): void {
    this.#connection = connection
    this.#each((listener) => listener.onConnection(connection))
  }

  #each(notify: (listener: AllListener) => void): void {
    for (const listener of this.#activity.listeners) notify(listener)
  }
}

const stores = new WeakMap<TasksClient, AllStore>()

export function allOf(client: TasksClient): AllStore {
  const store = stores.get(client) ?? new AllStore(client)
  stores.set(client, store)
  return store
}
