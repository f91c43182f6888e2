import type { TasksClient } from './client.ts'
import { type Known, Store } from './store.ts'
import type { TasksWatchEvent } from './watch-all.ts'

type Observer = (event: TasksWatchEvent) => void

/** All tasks on a page: one connection for however many lists, none while the tab is hidden or there is no list. */
export class AllStore extends Store<Known> {
  readonly #client: TasksClient
  readonly #observers = new Set<Observer>()

  constructor(client: TasksClient) {
    super({ error: undefined, connection: 'idle' })
    this.#client = client
  }

  /** Calls back with each event while there is a list; opens no connection. Returns a function that ends it. */
  observe(observer: Observer): () => void {
    this.#observers.add(observer)
    return () => void this.#observers.delete(observer)
  }

  protected async work(signal: AbortSignal): Promise<void> {
    this.set({ error: undefined })
    const events = this.#client.watchAll({
      signal,
      onConnection: (connection) => signal.aborted || this.set({ connection }),
    })
    for await (const event of events) {
      if (signal.aborted) return
      for (const observer of this.#observers) observer(event)
    }
  }
}

const stores = new WeakMap<TasksClient, AllStore>()

export function allOf(client: TasksClient): AllStore {
  const store = stores.get(client) ?? new AllStore(client)
  stores.set(client, store)
  return store
}
