import { execFileSync } from 'node:child_process'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createPool, createPrivatePool, endPool } from '../../src/db/client.ts'
import { sharePool } from '../../src/db/shared-pool.ts'
import { transactIn } from '../../src/db/step-database.ts'
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

const OPTIONS = { max: 1, connectTimeoutMs: 5_000, idleMs: 1_000 }
const POOLS: [string, (url: string) => { pool: pg.Pool; ended: pg.Pool[] }][] = [
  [
    'of the plugin',
    (url) => {
      const pool = createPool({ connectionString: url, max: 1 })
      return { pool, ended: [pool] }
    },
  ],
  [
    'of a step',
    (url) => {
      const pool = new pg.Pool({ connectionString: url, max: 1 })
      pool.on('error', () => {})
      return { pool, ended: [pool] }
    },
  ],
  [
    "of the engine's own",
    (url) => {
      const other = createPool({ connectionString: url })
      const pool = createPrivatePool(other, OPTIONS)
      return { pool, ended: [pool, other] }
    },
  ],
  [
    'of a host',
    (url) => {
      const other = new pg.Pool({ connectionString: url, max: 1 })
      other.on('error', () => {})
      const spare = createPrivatePool(other, OPTIONS)
      return { pool: sharePool(other, spare, 10_000).pool, ended: [other, spare] }
    },
  ],
]

test.each(POOLS)(
  'a connection that breaks between two borrowers of a pool %s does not end the process',
  async (_whose, open) => {
    const database = await createTestDatabase('empty')
    const { pool, ended } = open(database.directUrl)
    const { rows } = await pool.query('select pg_backend_pid() as pid')
    const first = pool.query('select pg_sleep(0.05)')
    const second = transactIn(pool, async (tx) => void (await (tx as pg.PoolClient).query('select 1')), 5_000)
    await new Promise(setImmediate)
    // While nothing is read here, the answer and the end of the connection arrive together.
    execFileSync(process.execPath, ['-e', TERMINATE, database.directUrl, rows[0].pid])
    await first
    // On the broken connection or, of a host's pool, on a spare one.
    await Promise.allSettled([second])
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await Promise.all(ended.map((own) => endPool(own, 1_000)))
    await database.drop()
  },
)

const TERMINATE = `
  const { Client } = require('pg')
  const [url, pid] = process.argv.slice(1)
  const idle = "select 1 from pg_stat_activity where pid = $1 and state = 'idle'"
  const client = new Client(url)
  client.connect().then(async () => {
    while ((await client.query(idle, [pid])).rowCount === 0);
    await client.query('select pg_terminate_backend($1, 5000)', [pid])
    await client.end()
  })`
