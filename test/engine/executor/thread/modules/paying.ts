import pg from 'pg'
import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Completes its task inside its own transaction, in its own thread. */
export default async function paying({ url, commit }: { url: string; commit: boolean }, ctx: TaskContext) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('begin')
    await ctx.guard(client)
    await client.query('insert into business values ($1)', [ctx.taskId])
    ctx.log.info('paid')
    await ctx.complete(client, { paid: true })
    await client.query(commit ? 'commit' : 'rollback')
  } finally {
    await client.end()
  }
}
