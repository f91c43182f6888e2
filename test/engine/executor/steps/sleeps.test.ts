import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()

test('sleeps side by side take place one after the other, in the order of their calls', async () => {
  const { task } = createTaskRegistry()
  const NAMES = ['a', 'b', 'c', 'd']
  const nap = task('nap')(async (_params, ctx) => {
    // The shorter, the later.
    await Promise.all(NAMES.map((name, i) => ctx.sleep(name, { days: NAMES.length - i })))
    return 'awake'
  })
  const { manager } = engines.start([nap], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(nap)
  for (const [i] of NAMES.entries()) {
    const slept = async () => (await manager.getTask(taskId))?.steps.map(({ name }) => name)
    await expect.poll(slept).toEqual(NAMES.slice(0, i + 1))
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending' })
    await manager.runNow(taskId)
  }
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'awake' })
})
