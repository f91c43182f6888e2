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

beforeEach(async () => {
  proxy = await startFaultProxy(tables.database.url)
  // A host's own, without any time limit.
  pool = new pg.Pool({ connectionString: proxy.url, max: 1 })
  pool.on('error', () => {})
  db = createDatabase(pool, {
    prepared: tables.database.prepared,
    schema: tables.database.schema,
    responseTimeoutMs: 1_000,
  })
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

test.each<[string, () => Promise<unknown>]>([
  ['counting', () => countByType(db)],
  ['pruning', () => pruneStep(db, 'silent', 1_000, PRUNE_START)],
  ['creating with unique keys', () => insertAllUnique(db, [newTask()], 100, { toEntries: () => [] })],
])('%s gives up a connection whose packets vanish, and has another one next time', async (_what, work) => {
  await work()
  proxy.set('silence')
  await expect(work()).rejects.toThrow('Query read timeout')
  expect(pool.totalCount).toBe(0)
  proxy.set('none')
  await work()
})
