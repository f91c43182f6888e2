import { expect, test } from 'vitest'
import { BoundedQueue, QueueFull } from '../../src/accounts/bounded-queue.ts'

/** A queue of one permit, which is taken; and what runs, in order, as the permit is passed on. */
function startQueue(maxWaiting: number) {
  const queue = new BoundedQueue({ concurrency: 1, maxWaiting })
  const ran: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = queue.run(() => gate.promise)
  const refused: string[] = []
  const waiting: Promise<unknown>[] = [first]
  const add = (name: string, key: string, isUrgent = false) => {
    const work = queue.run(async () => void ran.push(name), { key, isUrgent })
    waiting.push(
      work.catch((error: unknown) => {
        if (!(error instanceof QueueFull)) throw error
        refused.push(name)
      }),
    )
  }
  const finish = async () => {
    gate.resolve()
    await Promise.all(waiting)
    return { ran, refused }
  }
  return { add, finish }
}

test('serves its keys in turn, each in its own order', async () => {
  const { add, finish } = startQueue(10)
  for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) add(name, name[0] ?? '')
  expect((await finish()).ran).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
})

test('serves what is urgent before all other', async () => {
  const { add, finish } = startQueue(10)
  add('a1', 'a')
  add('a2', 'a')
  add('b1', 'b', true)
  expect((await finish()).ran).toEqual(['b1', 'a1', 'a2'])
})

test('when full, refuses the newest of the key that has most waiting', async () => {
  const { add, finish } = startQueue(4)
  for (let index = 1; index <= 5; index++) add(`a${index}`, 'a')
  add('b1', 'b')
  add('b2', 'b')
  add('b3', 'b')
  const { ran, refused } = await finish()
  expect(refused.toSorted()).toEqual(['a3', 'a4', 'a5', 'b3'])
  expect(ran).toEqual(['a1', 'b1', 'a2', 'b2'])
})

test('full of what is ordinary, it has room for what is urgent', async () => {
  const { add, finish } = startQueue(2)
  add('a1', 'a')
  add('b1', 'b')
  add('c1', 'c')
  add('d1', 'd', true)
  expect(await finish()).toEqual({ ran: ['d1', 'a1', 'b1'], refused: ['c1'] })
})

test('work that fails passes its permit on', async () => {
  const queue = new BoundedQueue({ concurrency: 1, maxWaiting: 1 })
  const failed = queue.run(() => Promise.reject(new Error('broken')))
  const next = queue.run(async () => 'ran')
  await expect(failed).rejects.toThrow('broken')
  expect(await next).toBe('ran')
})
