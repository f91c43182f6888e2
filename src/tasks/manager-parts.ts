import type { Database } from '../db/database.ts'
import type { TaskEvents } from './events.ts'
import type { TaskSettings } from './settings.ts'
import type { TaskDefinition } from './task.ts'

/** What a manager was made of. */
export interface ManagerParts {
  readonly db: Database
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly events: TaskEvents
  /** Whether the insert of due tasks of these types is to tell other processes of them now. Default: it never is. */
  takeHint?(taskTypes: readonly string[]): boolean
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
