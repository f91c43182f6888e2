import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { Notifier } from '../../../src/engine/notify/notifier.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'

const engines = useEngines()

test('notifications of cancels leave out ids that would spoil the payload, and carry the others', async () => {
  const { db, events } = engines.create([])
  const notifier = new Notifier({ db, events, holds: () => false })
  const odd = ['', 'with space', 'line\nbreak', '\u00a0', '任'.repeat(50), 'x'.repeat(51)]
  const statements = await captureStatements(db.pool, async () => {
    for (const taskId of ['task_1', ...odd, 'task_2']) {
      events.emit('cancelled', { taskId, taskType: 'work', attempt: 1 })
    }
    await Promise.resolve()
  })
  notifier.flush()
  expect(statements.map(({ values }) => values)).toEqual([['cancelled task_1 1 task_2 1']])
})

test('cancels of pending tasks are not sent: no process runs them', async () => {
  const work = createTaskRegistry().task('work')(() => {})
  const { db, events, manager } = engines.create([work])
  const notifier = new Notifier({ db, events, holds: () => false })
  const { taskId } = await manager.createTask(work)
  const statements = await captureStatements(db.pool, async () => {
    await manager.cancelTask(taskId)
    events.emit('cancelled', { taskId: 'task_1', taskType: 'work', attempt: 1 })
    await Promise.resolve()
  })
  notifier.flush()
  const payloads = statements
    .flatMap(({ values }) => values)
    .filter((value) => String(value).startsWith('cancelled'))
  expect(payloads).toEqual(['cancelled task_1 1'])
})
