import { expect, test } from 'vitest'
import { createPool, endPool } from '../../src/db/client.ts'
import { createTestDatabase } from '../support/database.ts'

test('idle connections that break together are reported once, and replaced', async () => {
  const database = await createTestDatabase('empty')
  const reported: string[] = []
  const pool = createPool({
    connectionString: database.url,
    applicationName: 'breaks',
    onIdleError: (error) => reported.push(error.message),
  })
  const clients = await Promise.all(Array.from({ length: 5 }, () => pool.connect()))
  for (const client of clients) client.release()
  expect(pool.idleCount).toBe(5)
  await database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'breaks'
        and datname = current_database()`,
  )
  await expect.poll(() => pool.totalCount).toBe(0)
  expect(reported).toEqual([expect.stringContaining('terminating connection')])
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await endPool(pool, 1_000)
  await database.drop()
})
