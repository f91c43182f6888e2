import { expect, test } from 'vitest'
import { AllTasks } from '../../../src/tasks/feed/all-tasks.ts'
import type { FeedLook } from '../../../src/tasks/store/feed.ts'

/** A look that finds no task, the highest id apart. */
function lookAt(lastTask: number, oldestXid: number, nextXid: number): FeedLook {
  return {
    snapshot: { oldestXid, nextXid, logIsWritten: false },
    rows: new Map(),
    lines: new Map(),
    lastLines: new Map(),
    tasks: new Map(),
    lastTask,
  }
}

test('the second look asks for what is new, though a transaction was in flight at the first one', () => {
  const all = new AllTasks()
  expect(all.wanted.afterTask).toBeNull()
  all.take(lookAt(7, 100, 101), 0)
  expect(all.wanted.afterTask).toBe(7)
  all.take(lookAt(8, 102, 102), 250)
  expect(all.wanted.afterTask).toBe(8)
})
