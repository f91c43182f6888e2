import { createPool, endPool } from '../../src/db/client.ts'
import { createDatabase } from '../../src/db/database.ts'
import { taskSettings } from '../../src/engine/definition/settings.ts'
import { TaskManager } from '../../src/engine/manager/manager.ts'
import { TaskEvents } from '../../src/engine/runtime/events.ts'

/** Ten callers that create 500 tasks each, of a hundred keys in an order of chance. */

const [, , name = '', connectionString = ''] = process.argv
const pool = createPool({ connectionString })
const manager = new TaskManager({
  db: createDatabase(pool, { prepared: true }),
  events: new TaskEvents(),
  definitions: new Map(),
  settings: taskSettings.parse({}),
})

const answer = { asked: 0, created: 0, taskIds: new Set<string>() }

async function call(caller: number): Promise<void> {
  for (let i = 0; i < 500; i++) {
    const uniqueKey = `key ${Math.floor(Math.random() * 100)}`
    const { taskId, created } = await manager.createTask(
      'elsewhere',
      { by: `${name} ${caller}` },
      { uniqueKey },
    )
    answer.asked += 1
    if (created) answer.created += 1
    answer.taskIds.add(taskId)
  }
}

await Promise.all(Array.from({ length: 10 }, (_, caller) => call(caller)))
await endPool(pool, 1_000)
process.send?.({ ...answer, taskIds: [...answer.taskIds] }, () => process.disconnect())
