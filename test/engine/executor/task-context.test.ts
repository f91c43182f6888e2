import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { TaskContext } from '../../../src/engine/definition/context.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

async function contextsOf(count: number): Promise<TaskContext[]> {
  const contexts: TaskContext[] = []
  const { task } = createTaskRegistry()
  const work = task('work')((_params, ctx) => void contexts.push(ctx))
  const { manager } = engines.start([work])
  const created = await manager.createTasks(Array.from({ length: count }, () => ({ task: work })))
  for (const { taskId } of created) await manager.waitFor(taskId)
  return contexts
}

test('a context may be taken apart, copied and built upon', async () => {
  const [ctx] = await contextsOf(1)
  if (!ctx) throw new Error('nothing ran')
  const { signal, log, taskId } = ctx
  expect(signal).toBeInstanceOf(AbortSignal)
  expect(ctx.signal).toBe(signal)
  expect(ctx.log).toBe(log)
  const copy = { ...ctx, tenant: 'acme' }
  expect([copy.signal, copy.log, copy.taskId]).toEqual([signal, log, taskId])
  const { progress } = copy
  expect(() => progress(-1)).toThrow(/current/)
  const heir: TaskContext = Object.create(ctx)
  expect([heir.signal, heir.log]).toEqual([signal, log])
  expect(() => Object.assign(ctx, { signal: undefined })).toThrow(TypeError)
})

test('contexts keep the fast form of objects: as dictionaries they make every attempt, and its handler, slower', async () => {
  setFlagsFromString('--allow-natives-syntax')
  const isFast = runInNewContext('(object) => %HasFastProperties(object)') as (object: object) => boolean
  for (const context of await contextsOf(3)) expect(isFast(context)).toBe(true)
  const dictionary: { first?: number; second: number } = { first: 1, second: 2 }
  delete dictionary.first
  expect(isFast(dictionary)).toBe(false)
})
