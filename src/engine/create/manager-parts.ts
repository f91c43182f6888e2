import type { Database } from '../../db/database.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import type { TaskEvents } from '../runtime/events.ts'

/** What a manager was made of. */
export interface ManagerParts {
  readonly db: Database
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly events: TaskEvents
  /** Whether an insert of due tasks is to notify other processes with its own commit. Default: never. */
  readonly limiter?: { shouldNotify(): boolean } | undefined
}

const parts = new WeakMap<object, ManagerParts>()

export function keepParts(manager: object, made: ManagerParts): void {
  parts.set(manager, made)
}

/** For the testing kit, which runs what an app would run. */
export function partsOf(manager: object): ManagerParts {
  const found = parts.get(manager)
  if (!found) throw new TypeError('expected a TaskManager, such as app.tasks')
  return found
}
