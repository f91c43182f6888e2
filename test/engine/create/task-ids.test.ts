import { expect, test } from 'vitest'
import { newTaskId } from '../../../src/engine/create/task-ids.ts'

test('ids are UUIDs of version 7, all different, in the order in which they were made', () => {
  const ids = Array.from({ length: 20_000 }, newTaskId)
  expect(ids.filter((id) => !/^task_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/.test(id))).toEqual([])
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.toSorted()).toEqual(ids)
})

test('random digits do not repeat', () => {
  const ends = Array.from({ length: 5_000 }, () => newTaskId().slice(-8))
  // Of five thousand such numbers, two are the same once in three hundred times.
  expect(new Set(ends).size).toBeGreaterThan(4_990)
})
