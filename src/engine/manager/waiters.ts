import type { TaskDetail } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { isOutage } from '../../db/errors.ts'
import { TaskError } from '../definition/errors.ts'
import { Batcher } from '../runtime/batcher.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { pause } from '../runtime/wake-up.ts'
import { findEnded, findTasks } from '../store/read.ts'

/** Node's longest timer. */
const LONGEST_WAIT_MS = 2_147_483_647

/** Each task may carry megabytes of params and result. */
const READ_BATCH = { maxItems: 100, maxBytes: Number.POSITIVE_INFINITY, bytesOf: () => 0 }

const POLL_BATCH = 1_000

/** Options of `waitFor`. */
export interface WaitOptions {
  /** Longest wait in milliseconds. Default: no limit. */
  timeoutMs?: number
  /** Ends the wait; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** Returns undefined to wait on; what it throws rejects the caller's promise. */
type Examine<T> = (task: TaskDetail | undefined) => T | undefined

interface Waiter {
  onRead(task: TaskDetail | undefined | 'outage'): void
  reject(error: unknown): void
}

class AwaitedTask {
  readonly taskId: string
  readonly waiters = new Set<Waiter>()
  isBeingRead = false
  /** The task may have ended since the read in flight began. */
  mustReadAgain = false

  constructor(taskId: string) {
    this.taskId = taskId
  }
}

/** Callers that wait for tasks to end: notices ends in this process at once, others by one poll for all. */
export class Waiters {
  readonly #db: Database
  readonly #pollIntervalMs: number
  readonly #awaited = new Map<string, AwaitedTask>()
  /** One listener per signal: adding one to a signal with thousands is slow. */
  readonly #bySignal = new Map<AbortSignal, Set<Waiter>>()
  readonly #reads: Batcher<string, TaskDetail | undefined>
  readonly #stop = new AbortController()
  #polling = false

  constructor(
    db: Database,
    events: TaskEvents,
    pollIntervalMs: number,
    toView: (task: TaskDetail) => TaskDetail,
  ) {
    this.#db = db
    this.#pollIntervalMs = pollIntervalMs
    this.#reads = new Batcher(READ_BATCH, async (taskIds) => {
      const tasks = await findTasks(db, taskIds)
      return taskIds.map((taskId) => {
        const task = tasks.get(taskId)
        return task && toView(task)
      })
    })
    events.on('ended', ({ taskId }) => this.#wake(taskId))
    events.on('cancelled', ({ taskId }) => this.#wake(taskId))
  }

  /** Resolves to the result of `examine` for the task, read now and whenever it may have ended. */
  wait<T>(taskId: string, examine: Examine<T>, { timeoutMs, signal }: WaitOptions): Promise<T> {
    const ended = [this.#stop.signal, signal].find((one) => one?.aborted)
    if (ended) return Promise.reject(ended.reason)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const limit = new TimeLimit(timeoutMs ?? Number.POSITIVE_INFINITY, () => {
      leave()
      reject(new TaskError('WAIT_TIMEOUT', `${taskId} did not end within ${timeoutMs} ms`))
    })
    const waiter: Waiter = {
      onRead(task) {
        try {
          const found = task === 'outage' ? undefined : examine(task)
          if (found === undefined) return limit.allow()
          leave()
          resolve(found)
        } catch (error) {
          waiter.reject(error)
        }
      },
      reject(error) {
        leave()
        reject(error)
      },
    }
    const leave = () => {
      limit.clear()
      this.#leave(taskId, waiter, signal)
    }
    this.#enter(taskId, waiter, signal)
    return promise
  }

  stop(): void {
    const error = new TaskError('SHUTTING_DOWN', 'app.tasks.waitFor() ends: the app is closing')
    this.#stop.abort(error)
    for (const { waiters } of [...this.#awaited.values()]) rejectAll(waiters, error)
  }

  #enter(taskId: string, waiter: Waiter, signal: AbortSignal | undefined): void {
    const task = this.#awaited.get(taskId) ?? new AwaitedTask(taskId)
    this.#awaited.set(taskId, task)
    task.waiters.add(waiter)
    if (signal) this.#waitersOf(signal).add(waiter)
    void this.#read(task)
    if (!this.#polling) void this.#poll()
  }

  #leave(taskId: string, waiter: Waiter, signal: AbortSignal | undefined): void {
    const task = this.#awaited.get(taskId)
    task?.waiters.delete(waiter)
    if (task?.waiters.size === 0) this.#awaited.delete(taskId)
    const sharing = signal && this.#bySignal.get(signal)
    sharing?.delete(waiter)
    if (signal && sharing?.size === 0) {
      this.#bySignal.delete(signal)
      signal.removeEventListener('abort', this.#onAbort)
    }
  }

  #waitersOf(signal: AbortSignal): Set<Waiter> {
    const known = this.#bySignal.get(signal)
    if (known) return known
    const waiters = new Set<Waiter>()
    this.#bySignal.set(signal, waiters)
    signal.addEventListener('abort', this.#onAbort)
    return waiters
  }

  readonly #onAbort = ({ currentTarget: signal }: Event): void => {
    if (signal instanceof AbortSignal) rejectAll(this.#bySignal.get(signal) ?? [], signal.reason)
  }

  #wake(taskId: string): void {
    const task = this.#awaited.get(taskId)
    if (task) void this.#read(task)
  }

  async #read(task: AwaitedTask): Promise<void> {
    task.mustReadAgain = true
    if (task.isBeingRead) return
    task.isBeingRead = true
    while (task.mustReadAgain && task.waiters.size > 0) {
      task.mustReadAgain = false
      // Later waiters need a later read.
      const waiters = [...task.waiters]
      try {
        const found = await this.#reads.add(task.taskId)
        for (const waiter of waiters) waiter.onRead(found)
      } catch (error) {
        if (isOutage(error)) for (const waiter of waiters) waiter.onRead('outage')
        else rejectAll(waiters, error)
      }
    }
    task.isBeingRead = false
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop
    this.#polling = true
    while (this.#awaited.size > 0 && !signal.aborted) {
      await pause(this.#pollIntervalMs, signal)
      const taskIds = [...this.#awaited.keys()]
      for (let from = 0; from < taskIds.length && !signal.aborted; from += POLL_BATCH) {
        await this.#wakeEnded(taskIds.slice(from, from + POLL_BATCH))
      }
    }
    this.#polling = false
  }

  async #wakeEnded(taskIds: readonly string[]): Promise<void> {
    try {
      for (const taskId of await findEnded(this.#db, taskIds)) this.#wake(taskId)
    } catch (error) {
      // Callers wait through an outage. Their own reads report any other error.
      if (!isOutage(error)) for (const taskId of taskIds) this.#wake(taskId)
    }
  }
}

function rejectAll(waiters: Iterable<Waiter>, error: unknown): void {
  for (const waiter of [...waiters]) waiter.reject(error)
}

/** Waits until a read has shown that the task runs: one that has ended is always found. */
class TimeLimit {
  readonly #deadline: number
  readonly #onOver: () => void
  #isAllowed = false
  #timer: NodeJS.Timeout | undefined

  constructor(ms: number, onOver: () => void) {
    this.#deadline = performance.now() + ms
    this.#onOver = onOver
  }

  allow(): void {
    if (this.#isAllowed) return
    this.#isAllowed = true
    this.#check()
  }

  clear(): void {
    this.#isAllowed = true
    clearTimeout(this.#timer)
  }

  #check(): void {
    const leftMs = this.#deadline - performance.now()
    if (leftMs === Number.POSITIVE_INFINITY) return
    if (leftMs <= 0) this.#onOver()
    else this.#timer = setTimeout(() => this.#check(), Math.min(Math.ceil(leftMs), LONGEST_WAIT_MS))
  }
}
