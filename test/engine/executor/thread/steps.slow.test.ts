import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()

test('a thread has steps, with transactions of its own, and sleeps', async () => {
  const { task } = createTaskRegistry()
  const module = new URL('./modules/stepping.ts', import.meta.url)
  const stepping = task('stepping', { run: 'thread', module, retryBaseMs: 0 })()
  const { database } = engines
  await database.pool.query('create table effects (step text not null, attempt int not null)')
  const { manager } = engines.start([stepping], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(stepping, { url: database.directUrl })
  const names = async () =>
    (await manager.getTask(taskId))?.steps.map(({ name, attempt }) => `${name} ${attempt}`)
  await expect.poll(names).toContain('ready 3')
  await manager.cancelTask(taskId)
  await expect.poll(async () => (await manager.getTask(taskId))?.stopping).toBe(false)

  expect((await names())?.toSorted()).toEqual(['nap 2', 'outer 1', 'paid 1', 'plain 1', 'ready 3'])
  const { rows } = await database.pool.query('select * from effects')
  expect(rows).toEqual([{ step: 'paid', attempt: 1 }])
  const task3 = await manager.retryTask(taskId)
  expect(task3.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'sleeping', 'cancelled'])
  // The fourth attempt neither sleeps nor is held.
  expect(await manager.waitFor(taskId)).toMatchObject({
    status: 'completed',
    retryCount: 0,
    result: {
      results: [{ at: '1970-01-01T00:00:00.000Z', attempt: 1 }, 'paid'],
      codes: ['INVALID_ARGUMENT'],
    },
  })
})
