import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import { Claimer } from '../../../src/tasks/executor/claimer.ts'
import { Slots } from '../../../src/tasks/executor/slots.ts'
import { limitsOf } from '../../../src/tasks/limits.ts'
import { createTaskRegistry } from '../../../src/tasks/registry.ts'
import { useEngines } from '../../support/engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()

test('old tasks that come while a slow claim is under way are looked for by the next one', async () => {
  const registry = createTaskRegistry()
  const noop = registry.task('noop')(() => {})
  const { manager } = engines.create([noop])
  const onAnswer: (() => void)[] = []
  const pool = slowPool(engines.database.pool, async (_query, send) => {
    const answer = await send()
    await delay(100)
    onAnswer.shift()?.()
    return answer
  })
  const claimer = new Claimer({
    db: createDatabase(pool, { prepared: false }),
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
