import { createDatabase, type Database } from '../../src/db/database.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type TaskSettingsInput, taskSettings } from '../../src/engine/definition/settings.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import { TaskExecutor } from '../../src/engine/executor/executor.ts'
import { ChangeReporter } from '../../src/engine/feed/reporter.ts'
import { TaskManager } from '../../src/engine/manager/manager.ts'
import { Notifier } from '../../src/engine/notify/notifier.ts'
import { type TaskEventMap, TaskEvents } from '../../src/engine/runtime/events.ts'
import type { TestDatabase } from './database.ts'

export interface Engine {
  readonly db: Database
  readonly events: TaskEvents
  readonly manager: TaskManager
  readonly executor: TaskExecutor
  readonly reporter: ChangeReporter
}

export interface EngineOptions {
  hears?: boolean
  responseTimeoutMs?: number
}

/**
 * The engine without HTTP, not started: what an app boots, on a test's database. `hears`: with notifications; without
 * them everything must work too. `responseTimeoutMs`: half a lease where not given, as an app has it.
 */
export function createEngine(
  database: TestDatabase,
  tasks: readonly AnyTask[],
  settings: TaskSettingsInput = {},
  options: EngineOptions = {},
): Engine {
  const registry = createTaskRegistry()
  registry.add(...tasks)
  const definitions = new Map(registry.definitions())
  const events = new TaskEvents()
  const resolved = taskSettings.parse(settings)
  const db = createDatabase(database.pool, {
    prepared: database.prepared,
    schema: database.schema,
    responseTimeoutMs: options.responseTimeoutMs ?? resolved.leaseMs / 2,
  })
  const parts = { db, events, definitions, settings: resolved }
  const notifier = options.hears
    ? new Notifier({
        db,
        events,
        holds: (taskId, attempt) => executor.holds(taskId, attempt),
      })
    : undefined
  const manager = new TaskManager({ ...parts, limiter: notifier?.dueLimiter })
  const listen = options.hears ? { listen: { connectionString: database.directUrl } } : {}
  const executor: TaskExecutor = new TaskExecutor({ ...parts, ...listen, manager, version: 'test' })
  return { db, events, manager, executor, reporter: new ChangeReporter(db, events) }
}

/** The next event of this name that fits. */
export function nextEvent<Name extends keyof TaskEventMap>(
  events: TaskEvents,
  name: Name,
  fits: (event: TaskEventMap[Name][0]) => boolean = () => true,
): Promise<TaskEventMap[Name][0]> {
  const { promise, resolve } = Promise.withResolvers<TaskEventMap[Name][0]>()
  const listen = (...[event]: TaskEventMap[Name]) => {
    if (!fits(event)) return
    // The emitter's generic signature cannot relate Name to the listener's tuple.
    events.off(name, listen as never)
    resolve(event)
  }
  events.on(name, listen as never)
  return promise
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  signal.addEventListener('abort', () => resolve())
  return promise
}

/** A task that runs until its signal aborts, and the moments at which it starts and hears that. */
export function createObedientTask() {
  const [started, heard] = [createGate(), createGate()]
  const work = createTaskRegistry().task('work')(async (_params, { signal }) => {
    started.open()
    await aborted(signal)
    heard.open()
  })
  return { work, started: started.opened, heard: heard.opened }
}

/** A door that handlers wait at until the test opens it. */
export function createGate(): { open: () => void; opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: resolve, opened: promise }
}
