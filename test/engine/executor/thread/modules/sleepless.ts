import pg from 'pg'
import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Tries to complete its task although a sleep has suspended the run. */
export default async function sleepless({ url }: { url: string }, ctx: TaskContext) {
  await ctx.sleep('nap', { days: 1 }).catch(() => {})
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('begin')
    await ctx.complete(client, 'early')
    await client.query('commit')
  } finally {
    await client.end()
  }
}
