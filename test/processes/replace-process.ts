import { createPool } from '../../src/db/client.ts'
import { createDatabase } from '../../src/db/database.ts'
import { taskSettings } from '../../src/engine/definition/settings.ts'
import { TaskManager } from '../../src/engine/manager/manager.ts'
import { Notifier } from '../../src/engine/notify/notifier.ts'
import { TaskEvents } from '../../src/engine/runtime/events.ts'

/** Replaces the task with one key, so many times a second, until it is killed. Says what was accepted last. */

const [, , name = '', connectionString = '', perSecond = '100', options = '{}'] = process.argv
const db = createDatabase(createPool({ connectionString }), { prepared: true })
const events = new TaskEvents()
const { dueLimiter: limiter } = new Notifier({ db, events, holds: () => false })
const settings = taskSettings.parse({})
const manager = new TaskManager({ db, events, limiter, definitions: new Map(), settings })

let n = 0

async function replace(): Promise<void> {
  const seq = n++
  const { replaced, created } = await manager.createTask(
    'elsewhere',
    { by: name, seq, [`${name}${seq}`]: true },
    { uniqueKey: 'k', onDuplicate: 'replace', ...JSON.parse(options) },
  )
  if (seq % 20 === 0) process.send?.({ accepted: replaced || created, created, seq })
}

const begun = performance.now()
setInterval(() => {
  const due = ((performance.now() - begun) / 1_000) * Number(perSecond)
  while (n < due) void replace()
}, 5)
