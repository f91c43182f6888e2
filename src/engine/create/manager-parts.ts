import type { Database } from '../../db/database.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import type { TaskFeed } from '../feed/feed.ts'
import type { TaskEvents } from '../runtime/events.ts'
import type { Tracing } from '../runtime/tracing.ts'
import type { TaskFactory } from './new-task.ts'

/** How a process does. */
export interface LocalFacts {
  /** Why its executor cannot run tasks. */
  readonly reasons: readonly string[]
  /** What delays tasks although it can. */
  readonly warnings: readonly string[]
  /** Longest time in the last minute that its event loop was blocked. */
  readonly blockedMs: number
}

export interface ManagerOptions {
  readonly db: Database
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly events: TaskEvents
  /** Whether an insert of due tasks also notifies other processes. Default: never. */
  readonly limiter?: { takeTurn(): boolean } | undefined
  /** For viewers: two connections are enough. Default: `db`. */
  readonly feedDb?: Database | undefined
  /** False while this process has an executor that has not started. Default: always true. */
  readonly isReady?: (() => boolean) | undefined
  /** How this process does. Default: well. */
  readonly findLocal?: (() => LocalFacts) | undefined
  /** Default: nothing is traced. */
  readonly tracing?: Tracing | undefined
}

export interface ManagerParts extends ManagerOptions {
  readonly redaction: Redaction
  readonly factory: TaskFactory
  readonly feed: TaskFeed
}

const parts = new WeakMap<object, ManagerParts>()

export function keepParts(manager: object, made: ManagerParts): void {
  parts.set(manager, made)
}

/** For the executor and the testing kit. */
export function partsOf(manager: object): ManagerParts {
  const found = parts.get(manager)
  if (!found) throw new TypeError('expected a TaskManager, such as app.tasks')
  return found
}
