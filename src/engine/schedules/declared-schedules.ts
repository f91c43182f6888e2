import type { Database } from '../../db/database.ts'
import { isOutage } from '../../db/errors.ts'
import type { TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { Supervisor } from '../runtime/supervisor.ts'
import { pause } from '../runtime/wake-up.ts'
import { findMissingSchedules } from '../store/schedules.ts'
import type { ScheduleOptions } from './schedule-options.ts'

const CHECK_INTERVAL_MS = 5_000
/** Another process may have deleted a missing row; its notification may be on the way. */
const CONFIRM_MS = 1_000

/** Inserts the schedules declared in code, and again rows that vanish, but not those deleted through the API. */
export class DeclaredSchedules {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #declare: (schedules: readonly ScheduleOptions[]) => Promise<void>
  readonly #schedules: readonly ScheduleOptions[]
  readonly #checks: boolean
  readonly #deleted = new Set<string>()
  readonly #supervisor: Supervisor
  #isLate = false

  /** `checks`: this process receives notifications of deletions, so it may insert missing rows again. */
  constructor(options: {
    db: Database
    events: TaskEvents
    declare: (schedules: readonly ScheduleOptions[]) => Promise<void>
    schedules: readonly ScheduleOptions[]
    checks: boolean
  }) {
    this.#db = options.db
    this.#events = options.events
    this.#declare = options.declare
    this.#schedules = options.schedules
    this.#checks = options.checks
    const loop = (signal: AbortSignal, passed: () => void) => this.#loop(signal, passed)
    this.#supervisor = new Supervisor('schedules', loop, options.events)
  }

  /** Starts without the database, too. @throws TaskError for an invalid schedule */
  async start(mayBeLate: () => boolean): Promise<void> {
    if (this.#schedules.length === 0) return
    this.#events.on('scheduleDeleted', this.#onDeleted)
    try {
      await this.#declare(this.#schedules)
    } catch (error) {
      if (!isOutage(error) || !mayBeLate()) throw error
      this.#isLate = true
    }
    if (this.#isLate || this.#checks) this.#supervisor.start()
  }

  beginStop(): void {
    this.#events.off('scheduleDeleted', this.#onDeleted)
    void this.#supervisor.stop()
  }

  async #loop(signal: AbortSignal, passed: () => void): Promise<void> {
    if (this.#isLate) await this.#declare(this.#schedules)
    this.#isLate = false
    passed()
    while (this.#checks && !signal.aborted) {
      await pause(CHECK_INTERVAL_MS, signal)
      if (!signal.aborted) await this.#check(signal)
      passed()
    }
  }

  async #check(signal: AbortSignal): Promise<void> {
    if ((await this.#findMissing()).length === 0) return
    await pause(CONFIRM_MS, signal)
    const missing = signal.aborted ? [] : await this.#findMissing()
    if (missing.length > 0) await this.#declare(missing)
  }

  async #findMissing(): Promise<ScheduleOptions[]> {
    const expected = this.#schedules.filter(({ name }) => !this.#deleted.has(name))
    const names = await findMissingSchedules(
      this.#db,
      expected.map(({ name }) => name),
    )
    return expected.filter(({ name }) => names.has(name))
  }

  readonly #onDeleted = ({ schedule }: TaskEventMap['scheduleDeleted'][0]): void => {
    this.#deleted.add(schedule)
  }
}
