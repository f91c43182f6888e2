import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import type { Transaction } from '../../../src/db/query-runner.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'
import { withClient } from '../../support/with-client.ts'

const engines = useEngines()

/** What callers take for a transaction. */
const NONE: [string, (client: pg.Client) => unknown][] = [
  ['a pool', () => engines.database.pool],
  ['Drizzle on a pool', () => drizzle({ client: engines.database.pool })],
  ['Drizzle on a client without begin', (client) => drizzle({ client: client })],
  ['a client without begin', (client) => client],
  ['query(text, values) without begin', (client) => ({ query: client.query.bind(client) })],
  [
    'rows without their result',
    (client) => ({ query: async (text: string) => (await client.query(text)).rows }),
  ],
  [
    'pairs of rows and result',
    (client) => ({ query: async (text: string) => [[], await client.query(text)] }),
  ],
  ['an execute that takes text', () => ({ execute: async (text: string) => text.toUpperCase() })],
  ['a function, as of postgres.js and Knex', () => Object.assign(() => {}, { unsafe() {}, raw() {} })],
  ['a Prisma client', () => ({ $queryRawUnsafe: async () => [] })],
  ['Kysely', () => ({ executeQuery: async () => ({ rows: [] }) })],
]

test.each(NONE)(
  '%s is refused by name where a transaction is wanted, and nothing is written',
  async (_name, make) => {
    const { task } = createTaskRegistry()
    const plain = task('plain')(() => undefined)
    const refused: unknown[] = []
    const fenced = task('fenced', { maxRetries: 0 })(async (_params, ctx) => {
      for (const use of [ctx.guard, ctx.complete]) {
        await use.call(ctx, tx).catch((error: unknown) => refused.push(error))
      }
    })
    const { manager } = engines.start([plain, fenced])
    const client = new pg.Client({ connectionString: engines.database.url })
    await client.connect()
    // The types forbid most of them.
    const tx = make(client) as Transaction
    try {
      const refusal = {
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('must be a transaction: a pg client'),
      }
      await expect(manager.createTask(plain, {}, { tx })).rejects.toMatchObject(refusal)
      await expect(manager.createTasks([{ task: plain }], { tx })).rejects.toMatchObject(refusal)
      const { taskId } = await manager.createTask(fenced)
      await manager.waitFor(taskId)
      expect(refused).toEqual([expect.objectContaining(refusal), expect.objectContaining(refusal)])
      expect(await manager.listTasks()).toMatchObject({ total: 1 })
    } finally {
      await client.end()
    }
  },
)

test('a begin that is still on its way counts, on a client and on Drizzle over it', async () => {
  const { task } = createTaskRegistry()
  const plain = task('plain')(() => undefined)
  const { manager } = engines.create([plain])
  await withClient(engines.database.url, async (client) => {
    for (const tx of [client, drizzle({ client: client })]) {
      const begun = client.query('begin')
      await manager.createTask(plain, {}, { tx })
      await begun
      await client.query('rollback')
    }
    expect(await manager.listTasks()).toMatchObject({ total: 0 })
  })
})

test('the error of a transaction that has failed is its own', async () => {
  const { task } = createTaskRegistry()
  const plain = task('plain')(() => undefined)
  const { manager } = engines.create([plain])
  const work = withTransaction(engines.database.pool, async (client) => {
    await client.query('select 1 / 0').catch(() => {})
    await manager.createTask(plain, {}, { tx: client })
  })
  await expect(work).rejects.toMatchObject({ code: '25P02' })
})
