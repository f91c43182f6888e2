import { setTimeout as delay } from 'node:timers/promises'
import type { TaskTypeView } from '../../contract/task.ts'
import { unknownType } from '../create/known-types.ts'
import type { ManagerOptions } from '../create/manager-parts.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { limitsOf, type TypeLimits } from '../definition/limits.ts'
import { orBusy } from '../runtime/busy.ts'
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

type TaskTypesOptions = Pick<ManagerOptions, 'db' | 'settings' | 'definitions' | 'events'>

export class TaskTypes {
  readonly #options: TaskTypesOptions

  constructor(options: TaskTypesOptions) {
    this.#options = options
  }

  async list(): Promise<TaskTypeView[]> {
    const { db, definitions } = this.#options
    const taskTypes = [...definitions.keys()]
    const [paused, waiting] = await Promise.all([
      findPausedTypes(db),
      findTypesWithoutExecutor(db, taskTypes),
    ])
    const views: TaskTypeView[] = []
    for (const taskType of taskTypes) views.push(await this.#describe(taskType, paused, waiting))
    return views
  }

  async pause(taskType: string, change?: AuditedChange): Promise<TaskTypeView> {
    await this.#requireKnown(taskType)
    const { db } = this.#options
    await orBusy('TASK_TYPE_BUSY', `type '${taskType}'`, pauseType(db, taskType, change))
    // Claims in flight at the pause's commit may still take tasks.
    let inFlight = await findClaimsInFlight(db)
    while (inFlight.size > 0) {
      await delay(POLL_MS)
      const now = await findClaimsInFlight(db)
      inFlight = new Set([...inFlight].filter((claim) => now.has(claim)))
    }
    const waiting = await findTypesWithoutExecutor(db, [taskType])
    return this.#describe(taskType, new Set([taskType]), waiting)
  }

  async resume(taskType: string, change?: AuditedChange): Promise<TaskTypeView> {
    await this.#requireKnown(taskType)
    const { db, events } = this.#options
    await orBusy('TASK_TYPE_BUSY', `type '${taskType}'`, resumeType(db, taskType, change))
    events.emit('resumed', { taskType })
    return this.#describe(taskType, new Set(), await findTypesWithoutExecutor(db, [taskType]))
  }

  async #requireKnown(taskType: string): Promise<void> {
    const { db, definitions } = this.#options
    if (definitions.has(taskType) || (await isKnownType(db, taskType))) return
    throw unknownType(taskType, [...definitions.keys()])
  }

  async #describe(
    taskType: string,
    paused: ReadonlySet<string>,
    waiting: ReadonlySet<string>,
  ): Promise<TaskTypeView> {
    const { definitions, settings } = this.#options
    const options = definitions.get(taskType)?.options ?? {}
    const definition = { type: taskType, options }
    const permit = await this.#findPermit(limitsOf(definition))
    const view = describeType(definition, settings, paused.has(taskType), permit)
    return waiting.has(taskType) ? { ...view, waitingFor: 'executor' } : view
  }

  async #findPermit({ taskType, rate }: TypeLimits): Promise<Date | null> {
    if (!rate) return null
    const at = await findNextPermit(this.#options.db, { taskType, rate })
    return at === null ? null : new Date(at)
  }
}
