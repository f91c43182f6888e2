import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

test('a test database has the tables', async () => {
  const { rows } = await database.pool.query('select count(*)::int as n from async_tasks')
  expect(rows).toEqual([{ n: 0 }])
})
