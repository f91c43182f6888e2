import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { endPool } from '../../../../src/db/client.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { createGate } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'
import { type FaultProxy, startFaultProxy } from '../../../support/fault-proxy.ts'
import { countHeldUp } from '../../../support/held-up.ts'

const engines = useEngines()
const SOON = { retryBaseMs: 0, pollIntervalMs: 20 }

beforeEach(async () => {
  await engines.database.pool.query('create table effects (step text not null)')
})

/** A host's pool through the proxy: without a limit for responses. */
async function startCutPool(): Promise<{ proxy: FaultProxy; pool: pg.Pool }> {
  const proxy = await startFaultProxy(engines.database.url)
  const pool = new pg.Pool({ connectionString: proxy.url })
  pool.on('error', () => {})
  onTestFinished(async () => {
    await endPool(pool, 1_000)
    await proxy.close()
  })
  return { proxy, pool }
}

async function readEffects(): Promise<string[]> {
  const { rows } = await engines.database.pool.query<{ step: string }>('select step from effects')
  return rows.map(({ step }) => step).sort()
}

describe('a step with tx whose server is gone without a word', () => {
  test.each(['a pool', 'Drizzle'])('takes another connection of %s, and has its effect once', async (of) => {
    const { task } = createTaskRegistry()
    const { proxy, pool } = await startCutPool()
    const db = drizzle({ client: pool })
    const texts = {
      'at begin': 'begin',
      'at the guard': 'for no key update',
      'at the step': engines.database.schema.rename('insert into public.async_task_steps'),
      // Not 'at commit': the value of an insert would match its own text.
      'at commit.': 'commit\0',
    }
    const runs: string[] = []
    const pay = task('pay', { maxRetries: 0 })(async (_params, ctx) => {
      for (const [name, text] of Object.entries(texts)) {
        const swallowed = proxy.swallowAnswerTo(text)
        const note = () => runs.push(name)
        if (of === 'Drizzle') {
          const run = async (tx: Pick<typeof db, 'execute'>) => {
            await tx.execute(sql`insert into effects values (${name})`)
            return note()
          }
          await ctx.step(name, run, { tx: db })
        } else {
          const run = async (tx: pg.PoolClient) => {
            await tx.query('insert into effects values ($1)', [name])
            return note()
          }
          await ctx.step(name, run, { tx: pool })
        }
        await swallowed
      }
    })
    const { manager } = engines.start([pay], SOON, { responseTimeoutMs: 500 })
    const { taskId } = await manager.createTask(pay)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', stepCount: 4 })
    expect(await readEffects()).toEqual(Object.keys(texts).sort())
    expect(runs.filter((name) => name === 'at commit.')).toHaveLength(1)
    expect({ held: pool.totalCount - pool.idleCount, waiting: pool.waitingCount }).toEqual({
      held: 0,
      waiting: 0,
    })
    await Promise.all(Array.from({ length: pool.totalCount }, () => pool.query('select 1')))
  })
})

describe('a step with tx inside a transaction of its handler that holds the task', () => {
  test.each(['a pool', 'Drizzle'])('over %s says what it waits for', async (over) => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    const db = drizzle({ client: pool })
    const pay = task('pay', { maxRetries: 0 })((_params, ctx) =>
      db.transaction(async (tx) => {
        await ctx.guard(tx)
        if (over === 'Drizzle') await ctx.step('pay', () => {}, { tx: db })
        else await ctx.step('pay', () => {}, { tx: pool })
      }),
    )
    const { manager } = engines.start([pay], SOON, { responseTimeoutMs: 300 })
    const { taskId } = await manager.createTask(pay)
    expect(await manager.waitFor(taskId)).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/step "pay" waited 300 ms .* after ctx\.guard or ctx\.complete, end it/),
      stepCount: 0,
    })
  })

  test('waits for one that ends, and leaves the lock timeout as it was', async () => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    const db = drizzle({ client: pool })
    const guarded = createGate()
    const waiting = createGate()
    const pay = task('pay', { maxRetries: 0 })(async (_params, ctx) => {
      const other = db.transaction(async (tx) => {
        await ctx.guard(tx)
        guarded.open()
        await waiting.opened
      })
      await guarded.opened
      const read = (tx: pg.PoolClient) => tx.query(`select current_setting('lock_timeout') as limit`)
      const step = ctx.step('pay', read, { tx: pool })
      await expect.poll(() => countHeldUp(pool)).toBe(1)
      waiting.open()
      await other
      return (await step).rows
    })
    const { manager } = engines.start([pay], SOON)
    const { taskId } = await manager.createTask(pay)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: [{ limit: '0' }] })
  })
})
