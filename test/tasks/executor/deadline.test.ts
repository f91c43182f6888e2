import { expect, test } from 'vitest'
import { beforeAbort, within } from '../../../src/tasks/executor/deadline.ts'

const never = new Promise<void>(() => {})
const late = { code: 'SHUTTING_DOWN' }

test('work that ends before the signal has its way', async () => {
  const { signal } = new AbortController()
  await expect(beforeAbort(signal, Promise.resolve())).resolves.toBeUndefined()
  await expect(beforeAbort(signal, Promise.reject(new Error('refused')))).rejects.toThrow('refused')
})

test('nobody waits for work beyond the signal, also when it aborted before', async () => {
  const controller = new AbortController()
  const waiting = beforeAbort(controller.signal, never)
  controller.abort()
  await expect(waiting).rejects.toMatchObject(late)
  await expect(beforeAbort(controller.signal, never)).rejects.toMatchObject(late)
})

test('within: until it is done, or the time is over', async () => {
  await within(60_000, Promise.resolve())
  await within(1, never)
})
