import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { createDatabase, type Database } from '../../../src/db/database.ts'
import { Claimer } from '../../../src/tasks/executor/claimer.ts'
import { Slots } from '../../../src/tasks/executor/slots.ts'
import { limitsOf } from '../../../src/tasks/limits.ts'
import { createTaskRegistry } from '../../../src/tasks/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

/** The same database at the end of a slow line: answers are late. */
function slowDown(db: Database, onAnswer: () => void): Database {
  const pool = Object.create(db.pool, {
    query: {
      value: async (query: pg.QueryConfig) => {
        const answer = await db.pool.query(query)
        await delay(100)
        onAnswer()
        return answer
      },
    },
  })
  return { ...db, pool }
}

test('old tasks that come while a slow claim is under way are looked for by the next one', async () => {
  const registry = createTaskRegistry()
  const noop = registry.task('noop')(() => {})
  const { manager } = engines.create([noop])
  const onAnswer: (() => void)[] = []
  const db = createDatabase(engines.database.pool, { prepared: false })
  const claimer = new Claimer({
    db: slowDown(db, () => onAnswer.shift()?.()),
    executorId: randomUUID(),
    types: [...registry.definitions().values()].map(limitsOf),
    slots: new Slots(2, { freed: () => {}, ended: () => {} }),
    pollIntervalMs: 60_000,
    onRoomLeft: () => {},
  })
  const old = new Date(Date.now() - 3_600_000)
  const taken = async () => (await claimer.claim(2)).tasks.map(({ taskId }) => taskId)
  expect(await taken()).toEqual([])
  onAnswer.push(() => claimer.lookAtEverything())
  expect(await taken()).toEqual([])
  const late = await manager.createTask(noop, {}, { runAt: old })
  expect(await taken()).toEqual([late.taskId])

  // Looks at everything are expensive by now: the next ones see what became due lately.
  const overlooked = await manager.createTask(noop, {}, { runAt: old })
  expect(await taken()).toEqual([])
  claimer.lookAtEverything()
  expect(await taken()).toEqual([overlooked.taskId])
})
