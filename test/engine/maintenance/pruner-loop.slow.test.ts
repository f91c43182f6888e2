import { test } from 'vitest'
import { taskSettings } from '../../../src/engine/definition/settings.ts'
import { Pruner } from '../../../src/engine/maintenance/pruner.ts'
import { Supervisor } from '../../../src/engine/runtime/supervisor.ts'
import { nextEvent } from '../../support/engine.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

test('a pruner that failed comes back at once, so that an outage is over for it as for all others', async () => {
  const { db, events } = tables.createManager()
  const settings = taskSettings.parse({ heartbeatIntervalMs: 50, leaseMs: 150 })
  const pruner = new Pruner({ db, events, settings, definitions: new Map() })
  const supervisor = new Supervisor('pruner', (signal, passed) => pruner.loop(signal, passed), events)
  await tables.pool.query('alter table async_task_duties rename to elsewhere')
  const failed = nextEvent(events, 'loopFailed')
  supervisor.start()
  try {
    await failed
  } finally {
    await tables.pool.query('alter table elsewhere rename to async_task_duties')
  }
  await nextEvent(events, 'loopRecovered')
  await supervisor.stop()
})
