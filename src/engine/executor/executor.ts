import { randomUUID } from 'node:crypto'
import type { TaskSettings } from '../definition/settings.ts'
import type { RunEvent } from '../runtime/events.ts'
import { persist } from '../runtime/persist.ts'
import { beforeAbort, stopTimes, within } from '../runtime/timeouts.ts'
import { MAX_SLEEP_MS } from '../schedules/scheduler.ts'
import { stopExecutor } from '../store/executors.ts'
import { releaseAllBut } from '../store/rescue.ts'
import { assemble, type ExecutorOptions, type ExecutorParts } from './assembly.ts'
import { assessHealth, type ExecutorHealth } from './health.ts'

const MIN_STALE_MS = 10_000

/** Starts, stops and watches the parts that run due tasks. A fresh id keeps writes of earlier processes out. */
export class TaskExecutor {
  /** A fresh UUID at every start, as in `listExecutors`. */
  readonly id = randomUUID()
  readonly #options: ExecutorOptions
  readonly #giveUp = new AbortController()
  #parts: ExecutorParts | undefined
  #stopping: Promise<void> | undefined
  #ignoreDueTasks = () => {}
  #ignoreCancels = () => {}

  constructor(options: ExecutorOptions) {
    this.#options = options
  }

  /** Begins to claim tasks; the plugin calls it when the app is ready. */
  start(): void {
    if (this.#parts || this.#stopping) return
    const parts = assemble(this.#options, this.id, this.#giveUp.signal)
    this.#parts = parts
    this.#listen(parts)
    const { loops, scheduler } = parts
    loops.heartbeat.start()
    loops.claim.start()
    scheduler.start()
    loops.listener?.start()
    loops.rescuer.start()
    loops.pruner.start()
  }

  #listen(parts: ExecutorParts): void {
    const { events } = this.#options
    const noteDue = (isDue: boolean, overdue = false, taskTypes?: readonly string[]) => {
      // A claim of recently due tasks would miss it.
      if (overdue) parts.claimer.rescan()
      if (isDue) parts.wake(taskTypes)
    }
    this.#ignoreDueTasks = events.listen({
      created: ({ dueNow, overdue, taskTypes }) => noteDue(dueNow, overdue, taskTypes),
      changed: ({ inMs, overdue, taskType }) => noteDue(inMs <= 0, overdue, [taskType]),
      delayed: ({ dueAt }) => parts.dueTimer.note(dueAt),
      clockJumped: () => this.rescan(),
      rescued: () => this.wake(),
      resumed: () => this.rescan(),
    })
    const abort = ({ taskId, attempt }: RunEvent) => parts.abort(taskId, attempt, 'cancelled')
    this.#ignoreCancels = events.listen({ cancelled: abort, cancelRequested: abort })
  }

  /** Claims due tasks without waiting for the next poll. */
  wake(): void {
    this.#parts?.wake()
  }

  /** Tasks and ticks may have been due for long without a notification. */
  rescan(): void {
    this.#parts?.rescan()
  }

  /** Whether it runs this attempt. */
  holds(taskId: string, attempt: number): boolean {
    return this.runsSince(taskId, attempt) !== undefined
  }

  /** When this attempt started, as `performance.now()` counts; undefined: it does not run here. */
  runsSince(taskId: string, attempt: number): number | undefined {
    return this.#parts?.slots.find(taskId, attempt)?.startedAt
  }

  /** Whether it can run tasks, and if not, why. */
  health(): ExecutorHealth {
    const { settings, findShortage } = this.#options
    return assessHealth({
      started: this.#parts !== undefined,
      stopping: this.#stopping !== undefined,
      slots: settings.concurrency,
      running: this.#parts?.slots.running ?? 0,
      clockBehindMs: this.#parts?.heartbeat.clockBehindMs ?? 0,
      loops: this.#parts ? watchedLoops(this.#parts, settings) : [],
      stuck: this.#parts?.slots.stuck ?? [],
      shortage: findShortage?.(),
    })
  }

  /** Begins `stop`, and returns at once. */
  beginStop(): void {
    this.stop().catch(() => {})
  }

  /**
   * Claims no more and waits for handlers; at 80 % of `shutdownTimeoutMs` aborts the others and releases their tasks.
   * @throws TaskError `SHUTTING_DOWN` if the database did not take the last writes in time
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#parts ? this.#stop(this.#parts) : Promise.resolve()
    return this.#stopping
  }

  async #stop(parts: ExecutorParts): Promise<void> {
    const { events, settings } = this.#options
    const { slots, loops, claimLoop } = parts
    const times = stopTimes(settings.shutdownTimeoutMs)
    const deadline = setTimeout(() => this.#giveUp.abort(), times.giveUpMs)
    this.#ignoreDueTasks()
    claimLoop.close()
    slots.onEnded = ({ task: { taskType } }) => {
      if (parts.claimer.isGloballyLimited(taskType))
        events.emit('capacityReleased', { taskTypes: [taskType] })
    }
    const claimed = Promise.all([loops.claim.stop(), parts.scheduler.stop()])
    const pruned = loops.pruner.stop()
    try {
      await within(times.abortMs, slots.whenIdle())
      for (const attempt of slots.attempts()) attempt.abort('shutdown')
      const graceMs = times.releaseMs - times.abortMs
      // All handlers are aborted: notifications no longer matter, and a connection may hang.
      const others = Promise.all([pruned, loops.listener && within(graceMs, loops.listener.stop())])
      await within(graceMs, slots.whenIdle())
      // No thread may continue while another executor runs its released task.
      const closed = Promise.all([others, parts.threads.close()])
      await beforeAbort(this.#giveUp.signal, this.#release(parts, claimed, closed))
    } finally {
      clearTimeout(deadline)
      // Pending writes must not outlive the stop.
      this.#giveUp.abort()
      parts.logs.stop()
      parts.progress.stop()
      parts.wakeUp.clear()
      parts.dueTimer.close()
      parts.permitTimer.close()
      this.#ignoreCancels()
    }
  }

  async #release(parts: ExecutorParts, claimed: Promise<unknown>, others: Promise<unknown>): Promise<void> {
    const { definitions, events } = this.#options
    const { db, logs, progress, claimer, claimLoop, loops } = parts
    await Promise.all([claimed, claimer.whenProbed()])
    await claimLoop.whenIdle()
    const writes = [this.#releaseAttempts(parts), logs.flushed(), progress.flush()]
    await Promise.all([...writes, loops.rescuer.stop(), others])
    await loops.heartbeat.stop()
    await persist('the end of the executor', () => stopExecutor(db, this.id), this.#context)
    // Other executors claim the tasks released here, and those that this one was notified of.
    events.emit('capacityReleased', { taskTypes: [...definitions.keys()] })
  }

  /** One statement, as little time is left; then one by one for locked rows. */
  async #releaseAttempts({ db, slots }: ExecutorParts): Promise<void> {
    const { cancelGraceMs } = this.#options.settings
    const attempts = slots.attempts()
    const left = attempts.filter((attempt) => attempt.leave())
    const kept = attempts.filter((attempt) => !left.includes(attempt)).map(({ fence }) => fence)
    const write = () => releaseAllBut(db, this.id, kept, cancelGraceMs)
    const { value } = left.length > 0 ? await persist('releases', write, this.#context) : { value: [] }
    const released = new Set(value)
    const others = attempts.filter(({ fence }) => !released.has(fence.taskId))
    await Promise.all(others.map((attempt) => attempt.release(cancelGraceMs)))
  }

  get #context() {
    return { events: this.#options.events, giveUp: this.#giveUp.signal }
  }
}

function watchedLoops({ loops, scheduler }: ExecutorParts, settings: TaskSettings) {
  const { leaseMs, pollIntervalMs, idlePollIntervalMs = pollIntervalMs } = settings
  const claimMs = idlePollIntervalMs - pollIntervalMs + Math.max(5 * pollIntervalMs, MIN_STALE_MS)
  return [
    { health: loops.claim.health(), staleAfterMs: claimMs },
    { health: loops.heartbeat.health(), staleAfterMs: leaseMs },
    { health: scheduler.health(), staleAfterMs: 3 * MAX_SLEEP_MS },
    // Without notifications tasks only start later.
    ...(loops.listener ? [{ health: loops.listener.health(), staleAfterMs: Number.POSITIVE_INFINITY }] : []),
  ]
}
