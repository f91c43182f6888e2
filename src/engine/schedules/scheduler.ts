import { codeOf, isTransient, LOCK_NOT_AVAILABLE } from '../../db/errors.ts'
import type { ManagerParts } from '../create/manager-parts.ts'
import { isOverdue, sizeOf } from '../create/new-task.ts'
import { describeError } from '../definition/outcome.ts'
import { decodeScheduleParams } from '../definition/params.ts'
import { publishCreates } from '../runtime/diagnostics.ts'
import { type LoopHealth, Supervisor } from '../runtime/supervisor.ts'
import { within } from '../runtime/timeouts.ts'
import { WakeUp } from '../runtime/wake-up.ts'
import type { NewTask } from '../store/insert.ts'
import { type ComingSchedule, type KeptTick, listComing, takeStep } from '../store/schedules.ts'
import { parseCron } from './cron.ts'
import { tickBeingParsed } from './current-tick.ts'
import { readSchedule } from './schedule-faults.ts'
import { graceOf, planTicks, type TickPlan } from './ticks.ts'

/** Changes without a notification are found within this time. */
export const MAX_SLEEP_MS = 60_000
const MAX_COMING = 50
/** Limits of one statement in a catch-up; a single tick may have more bytes. */
const MAX_STEP_TICKS = 100
const MAX_STEP_BYTES = 4 * 1_048_576
/** A schema may call other services; one that hangs must not delay other schedules. */
const MAX_PARSE_MS = 10_000

interface MadeTick {
  readonly tick: Date
  readonly task: NewTask | undefined
  readonly error: unknown
}

export interface Judge {
  readonly executorId: string
  readonly isSteady: boolean
}

interface SchedulerOptions extends Omit<ManagerParts, 'limiter'> {
  /** Default: heartbeats are always trusted. */
  readonly judge?: Judge
}

/**
 * Creates the tasks of schedules at their ticks. Every process tries: the statement that moves the next tick also
 * inserts the task. An invalid schedule is reported in its row; database errors end the loop.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #wakeUp = new WakeUp()
  readonly #supervisor: Supervisor

  constructor(options: SchedulerOptions) {
    this.#options = options
    const loop = (signal: AbortSignal, passed: () => void) => this.#loop(signal, passed)
    this.#supervisor = new Supervisor('scheduler', loop, options.events)
  }

  start(): void {
    this.#options.events.on('schedulesChanged', this.#onChanged)
    this.#supervisor.start()
  }

  async stop(): Promise<void> {
    this.#options.events.off('schedulesChanged', this.#onChanged)
    await this.#supervisor.stop()
  }

  health(): LoopHealth {
    return this.#supervisor.health()
  }

  wake(): void {
    this.#wakeUp.notify()
  }

  noteChange(deleted: string | undefined): void {
    if (deleted !== undefined) this.#options.events.emit('scheduleDeleted', { schedule: deleted })
    this.wake()
  }

  readonly #onChanged = (): void => this.wake()

  async #loop(signal: AbortSignal, passed: () => void): Promise<void> {
    while (!signal.aborted) {
      const sleepMs = await this.tickOnce()
      passed()
      if (sleepMs > 0) await this.#wakeUp.wait(sleepMs, signal)
    }
  }

  /** Takes due ticks; returns how long to sleep, in milliseconds. */
  async tickOnce(): Promise<number> {
    const { db, definitions, settings, judge } = this.#options
    const { leaseMs } = settings
    const taskTypes = [...definitions.keys()]
    const { executorId = null, isSteady = true } = judge ?? {}
    const who = { judges: isSteady, judge: executorId }
    const coming = await listComing(db, { taskTypes, leaseMs, limit: MAX_COMING, ...who })
    const due = coming.filter(({ inMs }) => inMs <= 0)
    const fired = await Promise.allSettled(due.map((schedule) => this.#fire(schedule)))
    for (const one of fired) if (one.status === 'rejected') throw one.reason
    if (due.length > 0) return 0
    // Timers may fire early; the database's clock decides.
    const longestMs = isSteady ? MAX_SLEEP_MS : Math.min(leaseMs, MAX_SLEEP_MS)
    return Math.min(Math.ceil(coming[0]?.inMs ?? longestMs) + 1, longestMs)
  }

  async #fire(schedule: ComingSchedule): Promise<void> {
    try {
      await this.#runTicks(schedule, this.#plan(schedule))
    } catch (error) {
      // A host's transaction locks the row: the tick stays due.
      if (codeOf(error) === LOCK_NOT_AVAILABLE) return
      if (isTransient(error)) throw error
      await this.#giveUpTick(schedule, error)
    }
  }

  #plan({ cron, timeZone, nextRunAt: from, now, missed, isKnown }: ComingSchedule): TickPlan {
    const times = parseCron(cron, timeZone)
    const { pollIntervalMs, leaseMs } = this.#options.settings
    if (isKnown) return planTicks(times, { from, now, missed, graceMs: graceOf(pollIntervalMs) })
    // No executor knows the type: the latest tick older than a lease creates a task, which then fails with that error.
    const until = new Date(+now - leaseMs)
    return planTicks(times, { from, now: until, missed: 'once', graceMs: 0 })
  }

  async #runTicks(schedule: ComingSchedule, { ticks, next, skipped }: TickPlan): Promise<void> {
    let from = schedule.nextRunAt
    let done = 0
    do {
      const made = await this.#makeSome(schedule, ticks.slice(done, done + MAX_STEP_TICKS))
      done += made.length
      const to = ticks[done] ?? next ?? null
      if (!(await this.#takeStep(schedule, { from, to, made }))) return
      if (skipped && from === schedule.nextRunAt) {
        this.#options.events.emit('ticksSkipped', { schedule: schedule.name, ...skipped })
      }
      from = to ?? from
    } while (done < ticks.length)
  }

  async #makeSome(schedule: ComingSchedule, ticks: readonly Date[]): Promise<MadeTick[]> {
    const made: MadeTick[] = []
    let bytes = 0
    for (const tick of ticks) {
      const one = await this.#make(schedule, tick)
      made.push(one)
      bytes += one.task ? sizeOf(one.task) : 0
      if (bytes > MAX_STEP_BYTES) break
    }
    return made
  }

  async #make(schedule: ComingSchedule, tick: Date): Promise<MadeTick> {
    const { taskType, params } = schedule
    try {
      const item = { task: taskType, params: decodeScheduleParams(taskType, params), runAt: tick }
      const parsing = tickBeingParsed.run(tick, () => this.#options.factory.prepare(item))
      const task = await within(MAX_PARSE_MS, parsing)
      if (!task) throw new Error(`its params were not parsed within ${MAX_PARSE_MS / 1_000} s`)
      return { tick, task, error: undefined }
    } catch (error) {
      return { tick, task: undefined, error: this.#hide(schedule, error) }
    }
  }

  #hide(schedule: ComingSchedule, error: unknown): unknown {
    return this.#options.redaction.hideInError(schedule.taskType, readSchedule(schedule).params, error)
  }

  async #takeStep(
    schedule: ComingSchedule,
    { from, to, made }: { from: Date; to: Date | null; made: readonly MadeTick[] },
  ): Promise<boolean> {
    const { db, events } = this.#options
    const { name, isKnown, taskType } = schedule
    const latest = made.at(-1)
    const unknown = isKnown ? null : `UNKNOWN_TASK_TYPE: no executor has registered '${taskType}'`
    const error = latest?.error === undefined ? unknown : describeError(latest.error)
    const tasks = made.flatMap(({ task }) => task ?? [])
    const ticks = made.map(keptTick)
    if (!(await takeStep(db, { schedule, from, to, tasks, error, ticks }))) return false
    const failed = made.filter(({ task }) => !task)
    for (const { tick, error: why } of failed.slice(-1)) {
      events.emit('tickFailed', { schedule: name, tick, error: why })
    }
    if (tasks.length > 0) this.#announce(name, tasks)
    return true
  }

  #announce(schedule: string, made: readonly NewTask[]): void {
    const { events } = this.#options
    const taskIds = made.map(({ taskId }) => taskId)
    const ticks = made.flatMap(({ runAt }) => runAt ?? [])
    const taskTypes = made.map(({ taskType }) => taskType)
    const overdue = ticks.some((tick) => isOverdue(tick.getTime() - Date.now()))
    events.emit('created', { taskIds, taskTypes, dueNow: true, overdue })
    events.emit('due', { count: made.length })
    publishCreates(made)
    events.emit('ticked', { schedule, ticks, taskIds })
  }

  /** An invalid expression ends the schedule until it is changed; otherwise it continues with its next tick. */
  async #giveUpTick(schedule: ComingSchedule, thrown: unknown): Promise<void> {
    const { db, events } = this.#options
    const error = this.#hide(schedule, thrown)
    const { name, nextRunAt: from, now } = schedule
    const ticks = [keptTick({ tick: from, task: undefined, error })]
    const to = findNext(schedule, now)
    const step = { schedule, from, to, tasks: [], error: describeError(error), ticks }
    if (await takeStep(db, step)) events.emit('tickFailed', { schedule: name, tick: from, error })
  }
}

/** Of an error, its beginning: twenty of them are in a row. */
const MAX_KEPT_ERROR = 300

function keptTick({ tick, task, error }: MadeTick): KeptTick {
  if (task) return { at: tick, taskId: task.taskId, error: null }
  return { at: tick, taskId: null, error: describeError(error).slice(0, MAX_KEPT_ERROR) }
}

function findNext({ cron, timeZone }: ComingSchedule, now: Date): Date | null {
  try {
    return parseCron(cron, timeZone).next(now) ?? null
  } catch {
    return null
  }
}
