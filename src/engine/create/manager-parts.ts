import type { Database } from '../../db/database.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import type { TaskEvents } from '../runtime/events.ts'
import type { TaskFactory } from './new-task.ts'

/** What a manager is made of. */
export interface ManagerOptions {
  readonly db: Database
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly events: TaskEvents
  /** Whether an insert of due tasks is to notify other processes with its own commit. Default: never. */
  readonly limiter?: { shouldNotify(): boolean } | undefined
}

/** With the parts that an executor of the same app shares with the manager. */
export interface ManagerParts extends ManagerOptions {
  readonly redaction: Redaction
  readonly factory: TaskFactory
}

const parts = new WeakMap<object, ManagerParts>()

export function keepParts(manager: object, made: ManagerParts): void {
  parts.set(manager, made)
}

/** For the executor, and for the testing kit, which runs what an app would run. */
export function partsOf(manager: object): ManagerParts {
  const found = parts.get(manager)
  if (!found) throw new TypeError('expected a TaskManager, such as app.tasks')
  return found
}
