import { expect, test } from 'vitest'
import { beforeAbort, stopTimes, within } from '../../../src/engine/runtime/timeouts.ts'

const never = new Promise<void>(() => {})
const late = { code: 'SHUTTING_DOWN' }

test('work that ends before the signal has its way', async () => {
  const { signal } = new AbortController()
  await expect(beforeAbort(signal, Promise.resolve())).resolves.toBeUndefined()
  await expect(beforeAbort(signal, Promise.reject(new Error('refused')))).rejects.toThrow('refused')
})

test('no wait lasts beyond the signal, also when it aborted before', async () => {
  const controller = new AbortController()
  const waiting = beforeAbort(controller.signal, never)
  controller.abort()
  await expect(waiting).rejects.toMatchObject(late)
  await expect(beforeAbort(controller.signal, never)).rejects.toMatchObject(late)
})

test('within: what the work resolves to, or undefined when the time is over', async () => {
  expect(await within(60_000, Promise.resolve(1))).toBe(1)
  await expect(within(60_000, Promise.reject(new Error('refused')))).rejects.toThrow('refused')
  const { promise, reject } = Promise.withResolvers<void>()
  expect(await within(1, promise)).toBeUndefined()
  // Vitest reports a rejection that nobody handles.
  reject(new Error('late'))
})

test.each([
  // total, abort, hand-back, give up
  [25_000, 20_000, 23_000, 25_000],
  [6_250, 5_000, 5_750, 6_250],
  [2_000, 1_600, 1_660, 2_000],
  [1_000, 800, 830, 1_000],
  [300, 240, 249, 500],
  [0, 0, 0, 500],
])('a stop of %i ms aborts after %i, hands back after %i, gives up after %i', (total, ...times) => {
  const { abortMs, releaseMs, giveUpMs } = stopTimes(total)
  expect([abortMs, releaseMs, giveUpMs]).toEqual(times)
})
