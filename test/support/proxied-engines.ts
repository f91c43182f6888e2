import { afterEach, beforeEach } from 'vitest'
import { createPool, endPool } from '../../src/db/client.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { createEngine, type Engine } from './engine.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'

/** Engines that reach their database through a proxy with faults; for each test of a file a new database. */
export function useProxiedEngines() {
  let database: TestDatabase
  let proxy: FaultProxy
  let proxied: TestDatabase
  const engines: Engine[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    proxy = await startFaultProxy(database.url)
    proxied = { ...database, url: proxy.url, pool: createPool({ connectionString: proxy.url }) }
  })
  afterEach(async () => {
    await Promise.all(engines.splice(0).map(({ executor }) => executor.stop()))
    await endPool(proxied.pool, 1_000)
    await proxy.close()
    await database.drop()
  })
  return {
    /** Past the proxy. */
    get database() {
      return database
    },
    get proxy() {
      return proxy
    },
    /** Through the proxy. */
    get pool() {
      return proxied.pool
    },
    create(tasks: readonly AnyTask[], settings?: Parameters<typeof createEngine>[2]): Engine {
      const engine = createEngine(proxied, tasks, settings)
      engines.push(engine)
      return engine
    },
    /** The test has stopped them. */
    forget() {
      engines.length = 0
    },
  }
}
