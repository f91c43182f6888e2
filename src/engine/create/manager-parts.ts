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
  /** Default: no insert tells other processes. */
  readonly hints?: Hints | undefined
}

/** Inserts of due tasks may tell other processes with their commit. */
export interface Hints {
  /** Whether the insert of tasks of these types is to do so now. The hint counts as sent then. */
  take(taskTypes: readonly string[]): boolean
  /** Due tasks that the hint taken last is about, beside those of its insert. Default: none. */
  readonly takenAlong?: number
  /** It was taken, and others have not heard. */
  giveBack(): void
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
