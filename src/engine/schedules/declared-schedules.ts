import type { Database } from '../../db/database.ts'
import { isOutage } from '../../db/errors.ts'
import { TaskError } from '../definition/errors.ts'
import type { TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { Supervisor } from '../runtime/supervisor.ts'
import { pause } from '../runtime/wake-up.ts'
import { findMissingSchedules } from '../store/schedules.ts'
import type { ScheduleOptions } from './schedule-options.ts'

const CHECK_INTERVAL_MS = 5_000
/** Another process may have deleted a missing row; its notification may be on the way. */
const CONFIRM_MS = 1_000

export interface DeclaredSchedulesOptions {
  readonly db: Database
  readonly events: TaskEvents
  declare(schedules: readonly ScheduleOptions[]): Promise<void>
  readonly schedules: readonly ScheduleOptions[]
  /** This process may receive notifications of deletions. */
  readonly checks: boolean
}

/**
 * Inserts the schedules declared in code, and again rows that vanish, but not those deleted through the API: a row that
 * vanishes while notifications are lost counts as deleted.
 */
export class DeclaredSchedules {
  readonly #options: DeclaredSchedulesOptions
  readonly #deleted = new Set<string>()
  readonly #supervisor: Supervisor
  #isLate = false
  #isListening = false
  /** No notification was lost since the last check. */
  #hasReceivedAll = true

  constructor(options: DeclaredSchedulesOptions) {
    this.#options = options
    const loop = (signal: AbortSignal, passed: () => void) => this.#loop(signal, passed)
    this.#supervisor = new Supervisor('schedules', loop, options.events)
  }

  /** Starts without the database, too, and beside a transaction that holds a row. @throws TaskError for an invalid schedule */
  async start(mayBeLate: () => boolean): Promise<void> {
    if (this.#options.schedules.length === 0) return
    this.#options.events.on('scheduleDeleted', this.#onDeleted)
    this.#options.events.on('listening', this.#onListening)
    try {
      await this.#options.declare(this.#options.schedules)
    } catch (error) {
      const isBusy = error instanceof TaskError && error.code === 'SCHEDULE_BUSY'
      if (!(isBusy || isOutage(error)) || !mayBeLate()) throw error
      this.#isLate = true
    }
    if (this.#isLate || this.#options.checks) this.#supervisor.start()
  }

  beginStop(): void {
    this.#options.events.off('scheduleDeleted', this.#onDeleted)
    this.#options.events.off('listening', this.#onListening)
    void this.#supervisor.stop()
  }

  async #loop(signal: AbortSignal, passed: () => void): Promise<void> {
    if (this.#isLate) await this.#options.declare(this.#options.schedules)
    this.#isLate = false
    passed()
    while (this.#options.checks && !signal.aborted) {
      await pause(CHECK_INTERVAL_MS, signal)
      if (!signal.aborted) await this.#check(signal)
      passed()
    }
  }

  async #check(signal: AbortSignal): Promise<void> {
    const vanished = await this.#findMissing()
    if (vanished.length > 0) await pause(CONFIRM_MS, signal)
    const wouldKnow = this.#isListening && this.#hasReceivedAll
    this.#hasReceivedAll = this.#isListening
    if (vanished.length === 0 || signal.aborted) return
    const missing = await this.#findMissing()
    if (wouldKnow) await this.#options.declare(missing)
    else for (const { name } of missing) this.#deleted.add(name)
  }

  async #findMissing(): Promise<ScheduleOptions[]> {
    const expected = this.#options.schedules.filter(({ name }) => !this.#deleted.has(name))
    const names = await findMissingSchedules(
      this.#options.db,
      expected.map(({ name }) => name),
    )
    return expected.filter(({ name }) => names.has(name))
  }

  readonly #onListening = ({ isListening }: TaskEventMap['listening'][0]): void => {
    this.#isListening = isListening
    if (!isListening) this.#hasReceivedAll = false
  }

  readonly #onDeleted = ({ schedule }: TaskEventMap['scheduleDeleted'][0]): void => {
    this.#deleted.add(schedule)
  }
}
