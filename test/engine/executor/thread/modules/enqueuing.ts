import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Creates tasks inside its own transaction, in its own thread. */
export default async function enqueuing({ url, commit }: { url: string; commit: boolean }, ctx: TaskContext) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const work = drizzle(client).transaction(async (tx) => {
      const first = await ctx.createTask('child', { commit }, { tx, uniqueKey: 'child' })
      const second = await ctx.createTask('child', {}, { tx, uniqueKey: 'child' })
      if (!commit) tx.rollback()
      return [first.created, second.created, first.createdAt instanceof Date]
    })
    return await work.catch(() => 'rolled back')
  } finally {
    await client.end()
  }
}
