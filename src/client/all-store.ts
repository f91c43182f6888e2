import type { TaskSummary } from '../contract/task.ts'
import type { TasksClient } from './client.ts'
import { isHidden, onVisibility } from './visibility.ts'
import type { WatchConnection } from './watch.ts'

const GRACE_MS = 100

export interface AllListener {
  /** What changed before may have been missed: read what is shown. */
  onOpen(): void
  onTask(task: TaskSummary): void
  onConnection(connection: WatchConnection | 'idle'): void
  /** What no further try can mend, such as a session that has ended. */
  onError(error: Error): void
}

/** All tasks on a page: one connection for however many lists, none while the tab is hidden or there is no list. */
export class AllStore {
  readonly #client: TasksClient
  readonly #listeners = new Set<AllListener>()
  #following: AbortController | undefined
  #connection: WatchConnection | 'idle' = 'idle'
  #grace: ReturnType<typeof setTimeout> | undefined
  #stopWatchingTab: (() => void) | undefined

  constructor(client: TasksClient) {
    this.#client = client
  }

  /** Answers how to stop listening. */
  enter(listener: AllListener): () => void {
    this.#listeners.add(listener)
    this.#stopWatchingTab ??= onVisibility(() => this.#reconsider())
    listener.onConnection(this.#connection)
    if (this.#following) listener.onOpen()
    this.#reconsider()
    return () => {
      this.#listeners.delete(listener)
      this.#reconsider()
    }
  }

  #reconsider(): void {
    clearTimeout(this.#grace)
    if (this.#listeners.size === 0 || isHidden()) {
      this.#grace = setTimeout(() => this.#rest(), GRACE_MS)
    } else if (!this.#following) void this.#follow()
  }

  #rest(): void {
    this.#following?.abort()
    this.#following = undefined
    this.#setConnection('idle')
    if (this.#listeners.size > 0) return
    this.#stopWatchingTab?.()
    this.#stopWatchingTab = undefined
  }

  async #follow(): Promise<void> {
    const following = new AbortController()
    const { signal } = following
    this.#following = following
    const onConnection = (connection: WatchConnection) => {
      if (!signal.aborted) this.#setConnection(connection)
    }
    try {
      for await (const event of this.#client.watchAll({ signal, onConnection })) {
        if (signal.aborted) return
        for (const listener of this.#listeners) {
          if (event.type === 'open') listener.onOpen()
          else listener.onTask(event.task)
        }
      }
    } catch (error) {
      if (signal.aborted) return
      this.#following = undefined
      this.#setConnection('idle')
      for (const listener of this.#listeners) {
        listener.onError(error instanceof Error ? error : new Error(String(error)))
      }
    }
  }

  #setConnection(connection: WatchConnection | 'idle'): void {
    this.#connection = connection
    for (const listener of this.#listeners) listener.onConnection(connection)
  }
}

const stores = new WeakMap<TasksClient, AllStore>()

export function allOf(client: TasksClient): AllStore {
  const store = stores.get(client) ?? new AllStore(client)
  stores.set(client, store)
  return store
}
