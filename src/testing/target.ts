import { type ManagerParts, partsOf } from '../engine/create/manager-parts.ts'
import type { AnyTask } from '../engine/definition/task-reference.ts'
import type { TaskManager } from '../engine/manager/manager.ts'
import type { TypedTasks } from '../engine/manager/typed-tasks.ts'

/** A Fastify app with the plugin, or its `app.tasks`. */
export type TestTarget = TaskManager | TestApp

/** The part of a Fastify app that the testing kit uses. */
export interface TestApp {
  /** The app's manager. */
  readonly tasks: TaskManager | TypedTasks<AnyTask>
  /** The app's executor; null or absent: none. */
  readonly taskExecutor?: {
    /** Probes for tasks that are due without a notification. */
    rescan(): void
  } | null
  /** Makes the app ready. */
  ready?(): PromiseLike<unknown>
}

/** The manager and what it was made of; an app is made ready first, so that its types are known. */
export async function open(target: TestTarget): Promise<ManagerParts & { manager: TaskManager }> {
  if (typeof target !== 'object' || target === null) {
    throw new TypeError('expected a Fastify app with tasks, or a TaskManager, such as app.tasks')
  }
  if ('tasks' in target) await target.ready?.()
  // Typed or not, it is the same object.
  const manager = ('tasks' in target ? target.tasks : target) as TaskManager
  return { manager, ...partsOf(manager) }
}
