import { once } from 'node:events'
import pg from 'pg'
import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Steps with and without a transaction, and a sleep, in a thread; returns what they resolve to. */
export default async function stepping({ url }: { url: string }, ctx: TaskContext) {
  const pool = new pg.Pool({ connectionString: url })
  const effect = (name: string) => async (tx: pg.PoolClient) => {
    await tx.query('insert into effects values ($1, $2)', [name, ctx.attempt])
    return name
  }
  try {
    const results = await Promise.all([
      ctx.step('plain', () => ({ at: new Date(0), attempt: ctx.attempt })),
      ctx.step('paid', effect('paid'), { tx: pool }),
    ])
    const codes: string[] = []
    const note = (error: { code: string }) => void codes.push(error.code)
    await ctx.step('plain', () => 1).catch(note)
    await ctx.step('outer', () => ctx.sleep('inner', 1).catch(note))
    if (ctx.attempt === 1) throw new Error('on purpose')
    await ctx.sleep('nap', 50)
    if (ctx.attempt === 3) {
      // Under way when the task is cancelled.
      const held = ctx.step('held', () => once(ctx.signal, 'abort'))
      await ctx.step('ready', () => 1)
      await held.catch(note)
      await ctx.step('late', effect('late'), { tx: pool }).catch(note)
    }
    return { results, codes }
  } finally {
    await pool.end()
  }
}
