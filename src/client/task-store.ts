import type { TaskDetail, TaskLogLine } from '../contract/task.ts'
import type { TasksClient } from './client.ts'
import { isHidden, onVisibility } from './visibility.ts'
import { isFinished, type WatchConnection } from './watch.ts'

/** Lines that are kept for a page; the newest. The whole log can be read with `listLogs`. */
const MAX_LINES = 5_000
/** A page that is looked away from for a moment, or a component that is put elsewhere, keeps the connection. */
const GRACE_MS = 100
/** A log may come in thousands of lines: components are not shown each of them on its own. */
const GATHER_MS = 30

export interface TaskSnapshot {
  readonly task: TaskDetail | undefined
  readonly lines: readonly TaskLogLine[]
  /** Lines before these were let go. */
  readonly linesDropped: number
  readonly error: Error | undefined
  /** `idle`: not followed, as the task has ended, the tab is hidden, or nobody looks. */
  readonly connection: WatchConnection | 'idle'
}

export interface TaskInterest {
  readonly logs: boolean
  readonly pollIntervalMs?: number | undefined
  readonly onChange: () => void
}

export const NOTHING: TaskSnapshot = {
  task: undefined,
  lines: [],
  linesDropped: 0,
  error: undefined,
  connection: 'idle',
}

/**
 * One task on a page: however many components look at it share one connection. It is opened for the first of them,
 * rests while the tab is hidden, and is closed when the task has ended or the last of them has gone.
 */
export class TaskStore {
  readonly #client: TasksClient
  readonly #taskId: string
  readonly #onUnused: () => void
  readonly #interests = new Set<TaskInterest>()
  #snapshot = NOTHING
  #following: AbortController | undefined
  #withLogs = false
  #grace: ReturnType<typeof setTimeout> | undefined
  #stopWatchingTab: (() => void) | undefined
  #gathered: TaskLogLine[] = []
  #gathering: ReturnType<typeof setTimeout> | undefined

  constructor(client: TasksClient, taskId: string, onUnused: () => void) {
    this.#client = client
    this.#taskId = taskId
    this.#onUnused = onUnused
  }

  get snapshot(): TaskSnapshot {
    return this.#snapshot
  }

  /** Answers how to lose interest again. */
  enter(interest: TaskInterest): () => void {
    this.#interests.add(interest)
    clearTimeout(this.#grace)
    this.#stopWatchingTab ??= onVisibility(() => this.#reconsider())
    this.#reconsider()
    return () => {
      this.#interests.delete(interest)
      this.#reconsider()
    }
  }

  /** Reads the task now. A task that goes on again is followed again. */
  async refetch(): Promise<TaskDetail> {
    return this.#takeAnswer(await this.#client.getTask(this.#taskId))
  }

  async cancel(): Promise<TaskDetail> {
    return this.#takeAnswer(await this.#client.cancelTask(this.#taskId))
  }

  #takeAnswer(task: TaskDetail): TaskDetail {
    this.#set({ task, error: undefined })
    this.#reconsider()
    return task
  }

  /** Opens or closes the connection, as whoever looks and the tab want it. */
  #reconsider(): void {
    const wantsLogs = [...this.#interests].some(({ logs }) => logs)
    const isOver = this.#snapshot.task !== undefined && isFinished(this.#snapshot.task)
    const isComplete = isOver && (!wantsLogs || this.#withLogs) && !this.#following
    const isFatal = this.#snapshot.error !== undefined && !this.#following
    if (this.#interests.size === 0 || isHidden()) {
      clearTimeout(this.#grace)
      this.#grace = setTimeout(() => this.#rest(), GRACE_MS)
      return
    }
    clearTimeout(this.#grace)
    if (isComplete || isFatal) return
    if (this.#following && (this.#withLogs || !wantsLogs)) return
    this.#following?.abort()
    this.#withLogs = wantsLogs
    void this.#follow(wantsLogs)
  }

  #rest(): void {
    this.#following?.abort()
    this.#following = undefined
    this.#set({ connection: 'idle' })
    if (this.#interests.size > 0) return
    this.#stopWatchingTab?.()
    this.#stopWatchingTab = undefined
    this.#onUnused()
  }

  async #follow(logs: boolean): Promise<void> {
    const following = new AbortController()
    const { signal } = following
    this.#following = following
    const intervals = [...this.#interests].flatMap(({ pollIntervalMs }) => pollIntervalMs ?? [])
    const afterId = (this.#gathered.at(-1) ?? this.#snapshot.lines.at(-1))?.id ?? 0
    try {
      const events = this.#client.watch(this.#taskId, {
        signal,
        logs,
        afterId,
        ...(intervals.length > 0 ? { pollIntervalMs: Math.min(...intervals) } : {}),
        onConnection: (connection, error) => this.#takeConnection(connection, error, signal),
      })
      for await (const event of events) {
        if (signal.aborted) return
        if (event.type === 'log') this.#gather(event.line)
        else this.#set({ task: event.task, error: undefined })
      }
    } catch (error) {
      if (signal.aborted) return
      this.#set({ error: error instanceof Error ? error : new Error(String(error)) })
    }
    if (this.#following !== following) return
    this.#following = undefined
    this.#set({ connection: 'idle' })
  }

  #takeConnection(connection: WatchConnection, error: Error | undefined, signal: AbortSignal): void {
    if (signal.aborted) return
    // What is known stays valid while the connection is lost; who knows nothing yet is told why.
    this.#set({ connection, ...(this.#snapshot.task ? {} : { error }) })
  }

  #gather(line: TaskLogLine): void {
    this.#gathered.push(line)
    this.#gathering ??= setTimeout(() => this.#set({}), GATHER_MS)
  }

  #set(change: Partial<TaskSnapshot>): void {
    const before = this.#snapshot
    const all = this.#gathered.length > 0 ? [...before.lines, ...this.#gathered] : before.lines
    const surplus = Math.max(0, all.length - MAX_LINES)
    const lines = surplus > 0 ? all.slice(surplus) : all
    this.#snapshot = { ...before, lines, linesDropped: before.linesDropped + surplus, ...change }
    this.#gathered = []
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    for (const { onChange } of this.#interests) onChange()
  }
}
