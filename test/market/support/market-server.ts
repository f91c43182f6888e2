import type { TaskDetail, TaskLogLine } from '../../../src/contract/task.ts'
import type { TaskSettingsInput } from '../../../src/engine/definition/settings.ts'
import type { Day } from '../../../src/market/days.ts'
import type { MarketSource } from '../../../src/market/sources/source.ts'
import { createMarketTasks } from '../../../src/market/tasks/index.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { createEngine, type Engine } from '../../support/engine.ts'

export interface MarketServer {
  readonly database: TestDatabase
  readonly engine: Engine
  /** Creates a task and waits for its end, however it ends. */
  run(taskType: string, params?: Record<string, unknown>, maxRetries?: number): Promise<TaskDetail>
  logs(taskId: string): Promise<TaskLogLine[]>
  /** How many rows a table has. */
  count(table: string): Promise<number>
  close(): Promise<void>
}

/** The four market tasks on the real engine and a fresh database, with a source of the test's. */
export async function startMarketServer(
  source: MarketSource,
  options: { today?: Day; settings?: TaskSettingsInput } = {},
): Promise<MarketServer> {
  const { today = '2026-01-05', settings = {} } = options
  const database = await createTestDatabase('server')
  const tasks = createMarketTasks({ pool: database.pool, source, today: () => today })
  const engine = createEngine(database, tasks, {
    retryBaseMs: 1,
    pollIntervalMs: 50,
    // A handler that hangs is aborted at 80 % of it.
    shutdownTimeoutMs: 5_000,
    ...settings,
  })
  engine.executor.start()
  return {
    database,
    engine,
    async run(taskType, params = {}, maxRetries = 0) {
      const { taskId } = await engine.manager.createTask(taskType, params, { maxRetries })
      return engine.manager.waitFor(taskId, { timeoutMs: 30_000 })
    },
    async logs(taskId) {
      const page = await engine.manager.listLogs(taskId)
      return page.logs
    },
    async count(table) {
      const { rows } = await database.pool.query(`select count(*)::int as count from ${table}`)
      return rows[0].count
    },
    async close() {
      await engine.executor.stop()
      await database.drop()
    },
  }
}
