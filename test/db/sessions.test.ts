import { expect, test } from 'vitest'
import { describeSessions } from '../../src/db/sessions.ts'

const since = new Date('2030-01-01T00:00:00Z')
const session = { pid: 7, application: 'a report', address: '10.0.0.1', state: 'active', since }

test('the oldest sessions are described, the others counted', () => {
  const described = 'PostgreSQL session 7 (a report from 10.0.0.1, active) since 2030-01-01T00:00:00.000Z'
  expect(describeSessions([session])).toBe(described)
  expect(describeSessions(Array(5).fill(session))).toBe(`${described}, ${described}, ${described}, 2 others`)
  expect(describeSessions([])).toBe('a session that has just ended')
})

test('what a role may not see is left out', () => {
  const hidden = { ...session, application: '', address: null, state: null, since: null }
  expect(describeSessions([hidden])).toBe('PostgreSQL session 7 (unnamed)')
})

test('a prepared transaction has no session', () => {
  const prepared = { pid: null, application: null, address: null, state: null, since: null }
  expect(describeSessions([prepared])).toBe('a prepared transaction (see pg_prepared_xacts)')
})
