import { expect, test } from 'vitest'
import type { AuditEntry } from '../../src/client/index.ts'
import { findChanges, findCreation, findRetry } from '../../src/dashboard/pages/task/changes.ts'

const at = (second: number) => new Date(Date.UTC(2030, 0, 1, 0, 0, second))
const entry = (second: number, action: string, outcome = 'ok') =>
  ({ at: at(second), action, outcome, actor: { id: 'u1', name: null } }) as AuditEntry

/** Newest first, as the audit lists them. */
const audit = [
  entry(50, 'task.cancel', 'CANCEL_PENDING'),
  entry(40, 'task.retry'),
  entry(30, 'task.delete', 'TASK_NOT_FINISHED'),
  entry(20, 'task.retry'),
  entry(0, 'task.create'),
]

test('changes are those that were accepted, since an instant, oldest first, without the creation', () => {
  const told = (second: number) => findChanges(audit, at(second)).map((one) => one.at.getUTCSeconds())
  expect(told(0)).toEqual([20, 40, 50])
  expect(told(21)).toEqual([40, 50])
  expect(findCreation(audit)?.at).toEqual(at(0))
  expect(findCreation([entry(0, 'task.create', 'INVALID_PARAMS')])).toBeUndefined()
})

test('of a task that was changed very often, the newest changes are told', () => {
  const many = Array.from({ length: 100 }, (_, index) => entry(100 - index, 'task.update'))
  const changes = findChanges(many, at(0))
  expect([changes.length, changes.at(-1)?.at]).toEqual([20, at(100)])
})

test('a retry belongs between the end of one attempt and the start of the next', () => {
  const changes = findChanges(audit, at(0))
  expect(findRetry(changes, at(10), at(25))?.at).toEqual(at(20))
  expect(findRetry(changes, at(10), null)?.at).toEqual(at(40))
  expect(findRetry(changes, at(21), at(39))).toBeUndefined()
})
