import type { TaskDetail, TaskLogLine, TaskStep, TaskSummary } from '../contract/task.ts'
import { allOf } from './all-store.ts'
import type { TasksClient } from './client.ts'
import type { WatchConnection } from './follow.ts'
import { type Interest, type Known, Store } from './store.ts'
import { isFinished } from './watch.ts'
import type { TasksWatchEvent } from './watch-all.ts'

/** Lines that are kept for a page; the newest. The whole log can be read with `listLogs`. */
const MAX_LINES = 5_000
/** As many as a detail shows. */
const MAX_STEPS = 1_000
/** A log may come in thousands of lines: components are not shown each of them on its own. */
const GATHER_MS = 30

export interface TaskSnapshot extends Known {
  readonly task: TaskDetail | undefined
  readonly lines: readonly TaskLogLine[]
  /** Lines before these were let go. */
  readonly linesDropped: number
}

export interface TaskInterest extends Interest {
  readonly logs: boolean
  readonly pollIntervalMs?: number | undefined
}

export const NOTHING: TaskSnapshot = {
  task: undefined,
  lines: [],
  linesDropped: 0,
  error: undefined,
  connection: 'idle',
}

/**
 * One task on a page: however many components show it share one connection. It is opened for the first of them,
 * rests while the tab is hidden, and is closed when the task has ended or the last of them has gone.
 */
export class TaskStore extends Store<TaskSnapshot, TaskInterest> {
  readonly #client: TasksClient
  readonly #taskId: string
  readonly #onAbandoned: () => void
  readonly #unobserve: () => void
  /** Counts what was shown of the task: marks a response as stale when something newer came after its request. */
  #version = 0
  #hasLogs = false
  #gathered: TaskLogLine[] = []
  #gathering: ReturnType<typeof setTimeout> | undefined

  constructor(client: TasksClient, taskId: string, onAbandoned: () => void) {
    super(NOTHING)
    this.#client = client
    this.#taskId = taskId
    this.#onAbandoned = onAbandoned
    this.#unobserve = allOf(client).observe((event) => this.#observe(event))
  }

  override enter(interest: TaskInterest): () => void {
    const needsLogs = interest.logs && !this.#hasLogs
    const leave = super.enter(interest)
    // What it followed, or had followed to the end, was without lines.
    if (needsLogs && !this.#hasLogs) this.restart()
    return leave
  }

  protected override abandon(): void {
    this.#unobserve()
    this.#onAbandoned()
  }

  /** Reads the task now. A task that goes on again is followed again. */
  refetch(): Promise<TaskDetail> {
    return this.#ask(() => this.#client.getTask(this.#taskId))
  }

  cancel(): Promise<TaskDetail> {
    return this.#ask(() => this.#client.cancelTask(this.#taskId))
  }

  async #ask(request: () => Promise<TaskDetail>): Promise<TaskDetail> {
    const version = this.#version
    const task = await request()
    // What was shown meanwhile is newer, or as new.
    if (version !== this.#version) return task
    const wasRefused = this.snapshot.error !== undefined
    this.#show(task)
    if (wasRefused || !isFinished(task)) this.resume()
    return task
  }

  protected async work(signal: AbortSignal): Promise<void> {
    const interests = [...this.interests]
    this.#hasLogs = interests.some(({ logs }) => logs)
    const intervals = interests.flatMap(({ pollIntervalMs }) => pollIntervalMs ?? [])
    const events = this.#client.watch(this.#taskId, {
      signal,
      logs: this.#hasLogs,
      afterId: (this.#gathered.at(-1) ?? this.snapshot.lines.at(-1))?.id ?? 0,
      ...(intervals.length > 0 ? { pollIntervalMs: Math.min(...intervals) } : {}),
      onConnection: (connection, error) => this.#takeConnection(connection, error, signal),
    })
    for await (const event of events) {
      if (signal.aborted) return
      if (event.type === 'log') this.#gather(event.line)
      else if (event.type === 'step') this.#addStep(event.step)
      else if (!this.#isOutdated(event.task)) this.#show(event.task)
    }
  }

  /** A task that has ended is followed no more: where lists show that it goes on, or is deleted, it is followed again. */
  #observe(event: TasksWatchEvent): void {
    const { task: shown } = this.snapshot
    if (!shown || !isFinished(shown)) return
    const endOf = (task: TaskSummary) => (task.completedAt ?? task.cancelledAt)?.getTime()
    const isNews =
      event.type === 'open' ||
      (event.type === 'deleted' && event.taskId === this.#taskId) ||
      (event.type === 'task' &&
        event.task.taskId === this.#taskId &&
        (event.task.status !== shown.status || endOf(event.task) !== endOf(shown)))
    if (isNews) this.resume()
  }

  /** An attempt that has ended, as the response to a cancel shows, does not run again: the event was on its way before. */
  #isOutdated(task: TaskDetail): boolean {
    const shown = this.snapshot.task
    if (!shown || !isFinished(shown) || task.status !== 'running') return false
    return task.attempts.at(-1)?.attempt === shown.attempts.at(-1)?.attempt
  }

  #addStep(step: TaskStep): void {
    const { task } = this.snapshot
    if (!task || task.steps.some(({ name, attempt }) => name === step.name && attempt === step.attempt))
      return
    const steps = [...task.steps, step].slice(-MAX_STEPS)
    this.set({ task: { ...task, steps, stepCount: task.stepCount + 1 } })
  }

  #show(task: TaskDetail): void {
    this.#version += 1
    this.set({ task, error: undefined })
  }

  #takeConnection(connection: WatchConnection, error: Error | undefined, signal: AbortSignal): void {
    if (signal.aborted) return
    // What is known stays valid while the connection is lost; where nothing is known yet, the reason is shown.
    this.set({ connection, ...(this.snapshot.task ? {} : { error }) })
  }

  #gather(line: TaskLogLine): void {
    this.#gathered.push(line)
    this.#gathering ??= setTimeout(() => this.set({}), GATHER_MS)
  }

  protected override set(change: Partial<TaskSnapshot>): void {
    const { lines: before, linesDropped } = this.snapshot
    const all = this.#gathered.length > 0 ? [...before, ...this.#gathered] : before
    const surplus = Math.max(0, all.length - MAX_LINES)
    const lines = surplus > 0 ? all.slice(surplus) : all
    this.#gathered = []
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    super.set({ lines, linesDropped: linesDropped + surplus, ...change })
  }
}
