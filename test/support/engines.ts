import { afterEach, beforeEach } from 'vitest'
import type { TaskSettingsInput } from '../../src/engine/definition/settings.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { createEngine, type Engine, type EngineOptions } from './engine.ts'

export interface Engines {
  /** This test's own database. */
  readonly database: TestDatabase
  /** An engine that is stopped when the test ends. */
  create(tasks: readonly AnyTask[], settings?: TaskSettingsInput, options?: EngineOptions): Engine
  start(tasks: readonly AnyTask[], settings?: TaskSettingsInput, options?: EngineOptions): Engine
}

/** A fresh database for each test of the file, and engines on it that do not outlive the test. */
export function useEngines(): Engines {
  let database: TestDatabase
  const engines: Engine[] = []
  beforeEach(async () => {
    database = await createTestDatabase()
  })
  afterEach(async () => {
    await Promise.all(
      engines.splice(0).map(async ({ executor, reporter }) => {
        await executor.stop()
        await reporter.stop()
      }),
    )
    await database.drop()
  })
  const create: Engines['create'] = (tasks, settings, options) => {
    const engine = createEngine(database, tasks, settings, options)
    engines.push(engine)
    return engine
  }
  return {
    get database() {
      return database
    },
    create,
    start(tasks, settings, options) {
      const engine = create(tasks, settings, options)
      engine.executor.start()
      return engine
    },
  }
}
