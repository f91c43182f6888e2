import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { findOpen } from '../../../src/engine/store/rehearse.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const quick = createTaskRegistry().task('quick')(() => {})
const quickLimits = { taskType: 'quick', concurrency: null, globalConcurrency: null, keyed: false }

test('a task is open as soon as it is there, also for a query that began before it', async () => {
  const { db, manager } = engines.create([quick])
  // A statement's now() is when it reached the server: what it sees may be younger. So may it be in a transaction.
  await withTransaction(db.pool, async (client) => {
    await client.query('select now()')
    const { taskId } = await manager.createTask(quick)
    expect(await findOpen({ ...db, pool: client as never }, [quickLimits], randomUUID())).toEqual([taskId])
  })
})
