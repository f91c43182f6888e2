import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { endPool } from '../../../src/db/client.ts'
import { createDatabase, type Database } from '../../../src/db/database.ts'
import type { NewTask } from '../../../src/engine/store/insert.ts'
import { insertAllUnique } from '../../../src/engine/store/insert-unique.ts'
import { PRUNE_START, pruneStep } from '../../../src/engine/store/prune.ts'
import { countByType } from '../../../src/engine/store/stats.ts'
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
let proxy: FaultProxy
let pool: pg.Pool
let db: Database
/** The same, which soon gives up. */
let impatient: Database

beforeEach(async () => {
  proxy = await startFaultProxy(tables.database.url)
  // A host's own, without any time limit.
  pool = new pg.Pool({ connectionString: proxy.url, max: 1 })
  pool.on('error', () => {})
  const { prepared, schema } = tables.database
  db = createDatabase(pool, { prepared, schema })
  impatient = createDatabase(pool, { prepared, schema, responseTimeoutMs: 1_000 })
})

afterEach(async () => {
  await endPool(pool, 1_000)
  await proxy.close()
})

const newTask = (): NewTask => ({
  maxDelayMs: null,
  rateKey: null,
  taskId: `task_${crypto.randomUUID()}`,
  taskType: 'silent',
  params: new Map(),
  priority: 0,
  runAt: null,
  delayMs: 0,
  maxRetries: 0,
  timeoutSeconds: 60,
  createdBy: null,
  uniqueKey: crypto.randomUUID(),
  onDuplicate: 'return',
  concurrencyKey: null,
  expiresAt: null,
})

test.each<[string, (on: Database) => Promise<unknown>]>([
  ['counting', (on) => countByType(on)],
  ['pruning', (on) => pruneStep(on, 'silent', 1_000, PRUNE_START)],
  ['creating with unique keys', (on) => insertAllUnique(on, [newTask()], 100, { toEntries: () => [] })],
])('%s gives up a connection whose packets vanish, and has another one next time', async (_what, work) => {
  await work(db)
  proxy.set('silence')
  await expect(work(impatient)).rejects.toThrow('Query read timeout')
  expect(pool.totalCount).toBe(0)
  proxy.set('none')
  await work(db)
})
