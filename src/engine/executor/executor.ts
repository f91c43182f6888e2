import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { type Database, keepPlansWhile } from '../../db/database.ts'
import { TaskError } from '../definition/errors.ts'
import { limitsOf } from '../definition/limits.ts'
import { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import { Pruner } from '../maintenance/pruner.ts'
import type { TaskManager } from '../manager/manager.ts'
import { hearOthers } from '../notify/listener.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { persist } from '../runtime/persist.ts'
import { type Loop, Supervisor } from '../runtime/supervisor.ts'
import { beforeAbort, stopTimes, within } from '../runtime/timeouts.ts'
import { WakeUp } from '../runtime/wake-up.ts'
import { MAX_SLEEP_MS, Scheduler } from '../schedules/scheduler.ts'
import type { ClaimedTask } from '../store/claim.ts'
import { stopExecutor } from '../store/executors.ts'
import { handBackStrays } from '../store/rescue.ts'
import { Attempt, type AttemptServices } from './attempt/attempt.ts'
import { type Claimed, Claimer } from './claimer.ts'
import { assessHealth, type ExecutorHealth } from './health.ts'
import { describeExecutor, Heartbeat } from './heartbeat.ts'
import { Intake } from './intake.ts'
import { poll } from './poller.ts'
import { Slots } from './slots.ts'
import { Completions } from './writers/completions.ts'
import { LogBuffer } from './writers/log-buffer.ts'
import { ProgressBuffer } from './writers/progress-buffer.ts'

/** A retry is looked for a little after it is due: the database's clock decides, and rounds. */
const RETRY_SLACK_MS = 5

/** From this size on a plan of the table of tasks is that of a large one. */
const LARGE_TABLE_BYTES = 1_048_576

/** A poll loop that has not passed for less than this is busy, not stale. */
const MIN_STALE_MS = 10_000

export interface ExecutorOptions {
  readonly db: Database
  /** For the heartbeat alone. Default: `db`. */
  readonly heartDb?: Database
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly manager: TaskManager
  readonly events: TaskEvents
  readonly version: string
  /** Where to LISTEN for wake-ups and cancels of other processes. Default: nowhere; polling finds them all. */
  readonly listen?: pg.ClientConfig
  /** What is wrong with the app's pool, for `health`. */
  findShortage?(): string | undefined
}

/**
 * Runs due tasks of the registered types, at most `concurrency` at a time.
 *
 * It owns the parts and their order of start and stop: poller (when to claim), attempts (what happens to one
 * task), heartbeat (who lives, who lost what), output buffer (progress and logs). Its id is fresh at every start,
 * so nothing written under a former life can be mistaken for its own.
 */
export class TaskExecutor {
  readonly id = randomUUID()
  readonly #options: ExecutorOptions
  readonly #wakeUp = new WakeUp()
  readonly #slots: Slots
  readonly #logs: LogBuffer
  readonly #progress: ProgressBuffer
  readonly #poller: Supervisor
  readonly #heartbeat: Heartbeat
  readonly #heart: Supervisor
  readonly #ears: Supervisor | undefined
  readonly #scheduler: Scheduler
  readonly #pruner: Supervisor
  readonly #giveUp = new AbortController()
  readonly #services: AttemptServices
  readonly #intake: Intake
  /** A heartbeat saw rows that run in this executor's name without being held. */
  #strays = false
  /** Made at the start: from then on the types are fixed. */
  #claimer: Claimer | undefined
  #started = false
  #stopping: Promise<void> | undefined

  constructor(options: ExecutorOptions) {
    const { settings, definitions, events, version } = options
    const db = keepPlansWhile(options.db, () => this.#heartbeat.tableBytes >= LARGE_TABLE_BYTES)
    this.#options = { ...options, db }
    this.#slots = new Slots(settings.concurrency, {
      freed: ({ task }, wasFull) => this.#claimer?.noteFreed(task.taskType, wasFull),
      ended: ({ task }) => this.#onEnded(task.taskType),
    })
    this.#logs = new LogBuffer(db, this.#persistence, settings.maxLogLines)
    this.#progress = new ProgressBuffer({
      db,
      executorId: this.id,
      context: this.#persistence,
      onLost: ({ taskId, attempt }) => this.#abortIf(taskId, attempt, 'lost'),
    })
    this.#heartbeat = new Heartbeat({
      db: options.heartDb ?? options.db,
      slots: this.#slots,
      events,
      intervalMs: settings.heartbeatIntervalMs,
      unknownTypeGraceSeconds: settings.unknownTypeGraceSeconds,
      onRegistered: () => this.wake(),
      onStrays: () => {
        this.#strays = true
        this.wake()
      },
      row: describeExecutor({ executorId: this.id, version, settings, definitions }),
    })
    this.#heart = new Supervisor(
      'heartbeat',
      (signal, passed) => this.#heartbeat.loop(signal, passed),
      events,
      // After an outage everybody must be heard of before anybody may judge.
      settings.heartbeatIntervalMs,
    )
    this.#ears = options.listen && new Supervisor('listener', this.#hear(options.listen), events)
    this.#scheduler = new Scheduler({ db, settings, definitions, events, judge: this.#heartbeat })
    const pruner = new Pruner({ db, settings, definitions, events, judge: this.#heartbeat })
    this.#pruner = new Supervisor('pruner', (signal, passed) => pruner.loop(signal, passed), events)
    this.#poller = new Supervisor('poller', (signal, passed) => this.#poll(signal, passed), events)
    this.#intake = new Intake({
      db,
      executorId: this.id,
      context: this.#persistence,
      findHeld: ({ taskId, attempt }) => this.#slots.find(taskId, attempt),
      start: (task, isCancelled) => this.#run(task, isCancelled),
      onHandedBack: ({ taskType }) => events.emit('roomLeft', { taskTypes: [taskType] }),
    })
    this.#services = this.#createServices(db)
  }

  #createServices(db: Database): AttemptServices {
    const { settings, definitions, events, manager } = this.#options
    return {
      db,
      events,
      manager,
      logs: this.#logs,
      progress: this.#progress,
      completions: new Completions(db, this.id),
      giveUp: this.#giveUp.signal,
      cancelGraceMs: settings.cancelGraceMs,
      retryBaseMs: settings.retryBaseMs,
      maxResultBytes: settings.maxResultBytes,
      redaction: new Redaction(settings.redact, definitions),
      onRetryDue: (taskType, delayMs) => this.#onRetryDue(taskType, delayMs),
    }
  }

  /** Starts polling. With the database away it starts all the same and goes on trying. */
  start(): void {
    if (this.#started || this.#stopping) return
    this.#started = true
    const { db, definitions, events, settings } = this.#options
    this.#claimer = new Claimer({
      db,
      executorId: this.id,
      types: [...definitions.values()].map(limitsOf),
      slots: this.#slots,
      pollIntervalMs: settings.pollIntervalMs,
      onRoomLeft: (taskTypes) => events.emit('roomLeft', { taskTypes }),
      wakeUp: this.#wakeUp,
    })
    events.on('created', this.#onCreated)
    events.on('rescued', this.#onRescued)
    events.on('resumed', this.#onResumed)
    events.on('cancelled', this.#onCancelled)
    events.on('cancelRequested', this.#onCancelled)
    this.#heart.start()
    this.#poller.start()
    this.#scheduler.start()
    this.#ears?.start()
    this.#pruner.start()
  }

  /** Looks for due tasks now instead of at the next interval. */
  wake(): void {
    this.#claimer?.lookAgain()
    this.#wakeUp.notify()
  }

  /** Rows may have changed behind its back: tasks may be due since long, and ticks too. */
  lookAtEverything(): void {
    this.#claimer?.lookAtEverything()
    this.#scheduler.wake()
    this.wake()
  }

  /** There is a free slot for each of these tasks. */
  runsAtOnce(taskTypes: readonly string[]): boolean {
    if (!this.#started || this.#stopping) return false
    return taskTypes.length <= this.#slots.free && taskTypes.every((type) => this.#claimer?.isUnlimited(type))
  }

  holds(taskId: string, attempt: number): boolean {
    return this.#slots.find(taskId, attempt) !== undefined
  }

  health(): ExecutorHealth {
    const { leaseMs, pollIntervalMs } = this.#options.settings
    const ears = this.#ears ? [{ health: this.#ears.health(), staleAfterMs: Number.POSITIVE_INFINITY }] : []
    return assessHealth({
      started: this.#started,
      stopping: this.#stopping !== undefined,
      slots: this.#slots.size,
      running: this.#slots.running,
      clockBehindMs: this.#heartbeat.clockBehindMs,
      loops: [
        { health: this.#poller.health(), staleAfterMs: Math.max(5 * pollIntervalMs, MIN_STALE_MS) },
        { health: this.#heart.health(), staleAfterMs: leaseMs },
        { health: this.#scheduler.health(), staleAfterMs: 3 * MAX_SLEEP_MS },
        ...ears,
      ],
      stuck: this.#slots.stuck,
      shortage: this.#options.findShortage?.(),
    })
  }

  /** Begins to stop and returns at once; `stop` waits for the same stop and says how it went. */
  beginStop(): void {
    this.stop().catch(() => {})
  }

  /**
   * Stops in two phases: no more claims, then waits for handlers; at 80 % of `shutdownTimeoutMs` aborts the rest.
   * Interrupted tasks go back to pending with no retry spent. Calling it again waits for the same stop.
   *
   * @throws TaskError `SHUTTING_DOWN` when the database did not take the last writes in time: the lease does the rest
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    if (!this.#started) return
    const { events, settings } = this.#options
    const times = stopTimes(settings.shutdownTimeoutMs)
    const deadline = setTimeout(() => this.#giveUp.abort(), times.giveUpMs)
    events.off('created', this.#onCreated)
    events.off('rescued', this.#onRescued)
    events.off('resumed', this.#onResumed)
    this.#intake.close()
    const polled = Promise.all([this.#poller.stop(), this.#scheduler.stop()])
    const pruned = this.#pruner.stop()
    try {
      await within(times.abortMs, this.#slots.whenIdle())
      for (const attempt of this.#slots.attempts()) attempt.abort('shutdown')
      const graceMs = times.handBackMs - times.abortMs
      // Every handler has been told: there is nothing left to hear, and nobody waits for a farewell that hangs.
      const others = Promise.all([pruned, this.#ears && within(graceMs, this.#ears.stop())])
      await within(graceMs, this.#slots.whenIdle())
      await beforeAbort(this.#giveUp.signal, this.#handOver(polled, others))
    } finally {
      clearTimeout(deadline)
      // Whatever still waits to be written must not outlive the stop.
      this.#giveUp.abort()
      this.#logs.stop()
      this.#progress.stop()
      this.#wakeUp.clear()
      events.off('cancelled', this.#onCancelled)
      events.off('cancelRequested', this.#onCancelled)
    }
  }

  async #handOver(polled: Promise<unknown>, others: Promise<unknown>): Promise<void> {
    const { db, settings, definitions, events } = this.#options
    await Promise.all([polled, this.#claimer?.whenIdle()])
    await this.#intake.whenIdle()
    await Promise.all(this.#slots.attempts().map((attempt) => attempt.handBack(settings.cancelGraceMs)))
    await Promise.all([this.#logs.flushed(), this.#progress.flush()])
    await Promise.all([this.#heart.stop(), others])
    await persist('the end of the executor', () => stopExecutor(db, this.id), this.#persistence)
    // Left to others: places of handlers that still run, and tasks that nobody was told of because it would run them.
    events.emit('roomLeft', { taskTypes: [...definitions.keys()] })
  }

  #poll(signal: AbortSignal, passed: () => void): Promise<void> {
    const claimer = this.#claimer
    if (!claimer) throw new Error('polling begins after the start')
    return poll(
      {
        slots: this.#slots,
        wakeUp: this.#wakeUp,
        pollIntervalMs: this.#options.settings.pollIntervalMs,
        mayHideRows: claimer.mayHideRows,
        claim: (limit) => this.#claim(claimer, limit),
        settleStrays: () => this.#settleStrays(),
      },
      signal,
      passed,
    )
  }

  async #claim(claimer: Claimer, limit: number): Promise<Claimed> {
    if (!this.#heartbeat.isVisible) return { tasks: [], next: 'later' }
    return this.#intake.take(() => claimer.claim(limit))
  }

  #run(task: ClaimedTask, isCancelled: boolean): void {
    const definition = this.#options.definitions.get(task.taskType)
    // Only registered types are claimed.
    if (!definition)
      throw new TaskError('UNKNOWN_TASK_TYPE', `claimed '${task.taskType}', which is not registered`)
    const attempt = new Attempt(task, definition, this.id, this.#services)
    this.#slots.take(attempt)
    if (isCancelled) attempt.abort('cancelled')
    attempt
      .run(() => this.#onReturned(attempt))
      .catch((error: unknown) => {
        this.#options.events.emit('writeFailed', { what: `the end of ${task.taskId}`, error })
      })
      .finally(() => this.#slots.release(attempt))
  }

  async #settleStrays(): Promise<void> {
    if (!this.#strays) return
    await this.#intake.whenIdle()
    const held = this.#slots.attempts().map((attempt) => attempt.fence)
    const taskIds = await handBackStrays(this.#options.db, this.id, held)
    this.#strays = false
    if (taskIds.length > 0) this.#options.events.emit('straysHandedBack', { taskIds })
  }

  #hear(connection: pg.ClientConfig): Loop {
    return hearOthers({
      db: this.#options.db,
      connection,
      fleet: () => this.#heartbeat.fleet,
      onDue: (delayMs) => this.#wakeUp.notifyAfter(delayMs, () => this.#claimer?.lookAgain()),
      onSchedules: (deleted) => this.#scheduler.noteChange(deleted),
      onResumed: () => this.#onResumed(),
      onCancelled: (taskId, attempt) => this.#abortIf(taskId, attempt, 'cancelled'),
      onListening: async () => {
        this.wake()
        this.#scheduler.wake()
        await this.#heartbeat.beatOnce()
      },
    })
  }

  #abortIf(taskId: string, attempt: number, cause: 'cancelled' | 'lost'): void {
    const held = this.#slots.find(taskId, attempt)
    if (held) held.abort(cause)
    else this.#intake.noteCancel({ taskId, attempt })
  }

  /**
   * Tasks of types with limits keep their slots until their ends are written: there is room for the next one only then,
   * and others would take the slot meanwhile. So do those with lines to write: that is what holds back who logs too fast.
   */
  #onReturned(attempt: Attempt): void {
    if (attempt.isSilent && this.#claimer?.isUnlimited(attempt.task.taskType)) this.#slots.vacate(attempt)
  }

  #onEnded(taskType: string): void {
    this.#claimer?.noteEnd(taskType)
    if (this.#stopping && this.#claimer?.isLimited(taskType)) {
      // Nothing more is claimed here: whoever has slots must hear of the room.
      this.#options.events.emit('roomLeft', { taskTypes: [taskType] })
    }
  }

  #onRetryDue(taskType: string, delayMs: number): void {
    this.#wakeUp.notifyAfter(delayMs + RETRY_SLACK_MS, () => this.#claimer?.lookAgainAt(taskType))
  }

  readonly #onCreated = ({ dueNow, overdue = false }: { dueNow: boolean; overdue?: boolean }): void => {
    // A look at what became due lately would miss them.
    if (overdue) this.#claimer?.lookAtEverything()
    if (dueNow) this.wake()
  }

  readonly #onResumed = (): void => this.lookAtEverything()
  readonly #onRescued = (): void => this.wake()
  readonly #onCancelled = ({ taskId, attempt }: Pick<ClaimedTask, 'taskId' | 'attempt'>): void =>
    this.#abortIf(taskId, attempt, 'cancelled')

  get #persistence() {
    return { events: this.#options.events, giveUp: this.#giveUp.signal }
  }
}
