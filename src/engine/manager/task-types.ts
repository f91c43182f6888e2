import { setTimeout as delay } from 'node:timers/promises'
import type { TaskTypeView } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { unknownType } from '../create/known-types.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import { orBusy } from '../runtime/busy.ts'
import type { TaskEvents } from '../runtime/events.ts'
import {
  findClaimsInFlight,
  findPausedTypes,
  findTypesWithoutExecutor,
  isKnownType,
  pauseType,
  resumeType,
} from '../store/task-types.ts'
import { describeType } from './type-view.ts'

/** Between two looks at claims that are under way: they take milliseconds. */
const LOOK_MS = 5

/** The types of an app, and the pauses that hold for all processes. */
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
    return taskTypes.map((taskType) => this.#describe(taskType, paused, waiting))
  }

  async pause(taskType: string): Promise<TaskTypeView> {
    await this.#requireKnown(taskType)
    await orBusy('TASK_TYPE_BUSY', `type '${taskType}'`, pauseType(this.#db, taskType))
    // Those that began before the pause was committed may still take some.
    let underWay = await findClaimsInFlight(this.#db)
    while (underWay.size > 0) {
      await delay(LOOK_MS)
      const now = await findClaimsInFlight(this.#db)
      underWay = new Set([...underWay].filter((claim) => now.has(claim)))
    }
    const waiting = await findTypesWithoutExecutor(this.#db, [taskType])
    return this.#describe(taskType, new Set([taskType]), waiting)
  }

  async resume(taskType: string): Promise<TaskTypeView> {
    await this.#requireKnown(taskType)
    await orBusy('TASK_TYPE_BUSY', `type '${taskType}'`, resumeType(this.#db, taskType))
    this.#events.emit('resumed', { taskType })
    return this.#describe(taskType, new Set(), await findTypesWithoutExecutor(this.#db, [taskType]))
  }

  /** Another process's executor may know it. */
  async #requireKnown(taskType: string): Promise<void> {
    if (this.#definitions.has(taskType) || (await isKnownType(this.#db, taskType))) return
    throw unknownType(taskType, [...this.#definitions.keys()])
  }

  /** Of a type that only another process has registered, what applies to one that says nothing. */
  #describe(taskType: string, paused: ReadonlySet<string>, waiting: ReadonlySet<string>): TaskTypeView {
    const options = this.#definitions.get(taskType)?.options ?? {}
    const view = describeType({ type: taskType, options }, this.#settings, paused.has(taskType))
    return waiting.has(taskType) ? { ...view, waitingFor: 'executor' } : view
  }
}
