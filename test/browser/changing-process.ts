import { once } from 'node:events'
import { createPool, endPool } from '../../src/db/client.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { taskSettings } from '../../src/engine/definition/settings.ts'
import { TaskRunner } from '../../src/engine/runner.ts'
import { changeAtRandom, quick, steps } from './random-changes.ts'
import { countViewerStatements } from './viewer-statements.ts'

/**
 * A process that runs tasks, makes so many random changes, sends what viewers cost it meanwhile, and goes on running tasks
 * until its parent lets go of it.
 */

const { counts } = countViewerStatements()
const [, , connectionString = '', changes = '0', ...taskIds] = process.argv
const registry = createTaskRegistry()
registry.add(quick, steps)
const pool = createPool({ connectionString })
const runner = new TaskRunner({
  pool,
  settings: taskSettings.parse({}),
  registry,
  version: 'test',
  executes: true,
  prepared: true,
  listen: { connectionString },
})
await runner.start()
await changeAtRandom([runner.manager], Number(changes), taskIds)
const released = once(process, 'disconnect')
process.send?.(counts)
await released
await runner.stop()
await endPool(pool, 1_000)
