import { setTimeout as delay } from 'node:timers/promises'
import type { TaskTypeView } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { unknownType } from '../create/known-types.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { limitsOf, type TypeLimits } from '../definition/limits.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import { orBusy } from '../runtime/busy.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { findNextPermit } from '../store/rates.ts'
import {
  findClaimsInFlight,
  findPausedTypes,
  findTypesWithoutExecutor,
  isKnownType,
  pauseType,
  resumeType,
} from '../store/task-types.ts'
import { describeType } from './type-view.ts'

/** Claims take milliseconds. */
const POLL_MS = 5

export class TaskTypes {
  readonly #db: Database
  readonly #settings: TaskSettings
  readonly #definitions: ReadonlyMap<string, TaskDefinition>
  readonly #events: TaskEvents

  constructor(options: {
    db: Database
    settings: TaskSettings
    definitions: ReadonlyMap<string, TaskDefinition>
    events: TaskEvents
  }) {
    this.#db = options.db
    this.#settings = options.settings
    this.#definitions = options.definitions
    this.#events = options.events
  }

  async list(): Promise<TaskTypeView[]> {
    const taskTypes = [...this.#definitions.keys()]
    const [paused, waiting] = await Promise.all([
      findPausedTypes(this.#db),
      findTypesWithoutExecutor(this.#db, taskTypes),
    ])
    const views: TaskTypeView[] = []
    for (const taskType of taskTypes) views.push(await this.#describe(taskType, paused, waiting))
    return views
  }

  async pause(taskType: string, change?: AuditedChange): Promise<TaskTypeView> {
    await this.#requireKnown(taskType)
    await orBusy('TASK_TYPE_BUSY', `type '${taskType}'`, pauseType(this.#db, taskType, change))
    // Claims in flight at the pause's commit may still take tasks.
    let inFlight = await findClaimsInFlight(this.#db)
    while (inFlight.size > 0) {
      await delay(POLL_MS)
      const now = await findClaimsInFlight(this.#db)
      inFlight = new Set([...inFlight].filter((claim) => now.has(claim)))
    }
    const waiting = await findTypesWithoutExecutor(this.#db, [taskType])
    return this.#describe(taskType, new Set([taskType]), waiting)
  }

  async resume(taskType: string, change?: AuditedChange): Promise<TaskTypeView> {
    await this.#requireKnown(taskType)
    await orBusy('TASK_TYPE_BUSY', `type '${taskType}'`, resumeType(this.#db, taskType, change))
    this.#events.emit('resumed', { taskType })
    return this.#describe(taskType, new Set(), await findTypesWithoutExecutor(this.#db, [taskType]))
  }

  async #requireKnown(taskType: string): Promise<void> {
    if (this.#definitions.has(taskType) || (await isKnownType(this.#db, taskType))) return
    throw unknownType(taskType, [...this.#definitions.keys()])
  }

  async #describe(
    taskType: string,
    paused: ReadonlySet<string>,
    waiting: ReadonlySet<string>,
  ): Promise<TaskTypeView> {
    const options = this.#definitions.get(taskType)?.options ?? {}
    const definition = { type: taskType, options }
    const permit = await this.#findPermit(limitsOf(definition))
    const view = describeType(definition, this.#settings, paused.has(taskType), permit)
    return waiting.has(taskType) ? { ...view, waitingFor: 'executor' } : view
  }

  async #findPermit({ taskType, rate }: TypeLimits): Promise<Date | null> {
    if (!rate) return null
    const at = await findNextPermit(this.#db, { taskType, rate })
    return at === null ? null : new Date(at)
  }
}
