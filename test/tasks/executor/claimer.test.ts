import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import { Claimer } from '../../../src/tasks/executor/claimer.ts'
import { Slots } from '../../../src/tasks/executor/slots.ts'
import { limitsOf } from '../../../src/tasks/limits.ts'
import { createTaskRegistry } from '../../../src/tasks/registry.ts'
import type { AnyTask } from '../../../src/tasks/task.ts'
import { useEngines } from '../../support/engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()

/** A claimer of these types at the end of a slow line, and what happens before its next answers arrive. */
function createClaimer(...tasks: AnyTask[]) {
  const registry = createTaskRegistry()
  registry.add(...tasks)
  const { manager } = engines.create(tasks)
  const onAnswer: (() => void)[] = []
  const pool = slowPool(engines.database.pool, async (query, send) => {
    const answer = await send()
    if (!query.text.includes('/* tasks_claim')) return answer
    await delay(100)
    onAnswer.shift()?.()
    return answer
  })
  const claimer = new Claimer({
    db: createDatabase(pool, { prepared: false }),
    executorId: randomUUID(),
    types: [...registry.definitions().values()].map(limitsOf),
    slots: new Slots(2, { freed: () => {}, ended: () => false }),
    pollIntervalMs: 60_000,
    onRoomLeft: () => {},
  })
  const taken = async () => (await claimer.claim(2)).tasks.map(({ taskId }) => taskId)
  return { claimer, manager, onAnswer, taken }
}

test('old tasks that come while a slow claim is under way are looked for by the next one', async () => {
  const noop = createTaskRegistry().task('noop')(() => {})
  const { claimer, manager, onAnswer, taken } = createClaimer(noop)
  const old = new Date(Date.now() - 3_600_000)
  expect(await taken()).toEqual([])
  onAnswer.push(() => claimer.lookAtEverything())
  expect(await taken()).toEqual([])
  const late = await manager.createTask(noop, {}, { runAt: old })
  expect(await taken()).toEqual([late.taskId])
})

test('a task of a limited type that comes while a claim of it is under way does not wait for an interval', async () => {
  const one = createTaskRegistry().task('one', { globalConcurrency: 1 })(() => {})
  const { claimer, manager, onAnswer, taken } = createClaimer(one)
  claimer.noteEnd('one')
  onAnswer.push(() => claimer.lookAgain())
  expect(await taken()).toEqual([])
  const late = await manager.createTask(one)
  expect(await taken()).toEqual([])
  expect(await taken()).toEqual([late.taskId])
})
