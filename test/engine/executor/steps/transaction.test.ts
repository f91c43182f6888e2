import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createPool, endPool } from '../../../../src/db/client.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { createGate } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'
import { startFaultProxy } from '../../../support/fault-proxy.ts'

const engines = useEngines()
const SOON = { retryBaseMs: 0, pollIntervalMs: 20 }
const effects = pgTable('effects', { step: text('step').notNull(), attempt: integer('attempt').notNull() })

beforeEach(async () => {
  await engines.database.pool.query('create table effects (step text not null, attempt int not null)')
})

async function readEffects(): Promise<string[]> {
  const { rows } = await engines.database.pool.query<{ step: string; attempt: number }>(
    'select * from effects',
  )
  return rows.map(({ step, attempt }) => `${step} ${attempt}`).sort()
}

describe('a step with tx', () => {
  test('sends two statements more than a transaction of its effects: the fence, and itself', async () => {
    const pool = createPool({ connectionString: engines.database.url, max: 1 })
    onTestFinished(() => endPool(pool, 5_000))
    const client = await pool.connect()
    const query = vi.spyOn(client, 'query')
    client.release()
    const pay = createTaskRegistry().task('pay')(async (_params, ctx) => {
      await ctx.step('pay', (tx) => tx.query('insert into effects values ($1, 1)', ['pay']), { tx: pool })
    })
    const { manager } = engines.start([pay], SOON)
    await manager.waitFor((await manager.createTask(pay)).taskId)
    const sent = query.mock.calls.map(([one]: unknown[]) =>
      typeof one === 'string' ? one : (one as { text: string }).text,
    )
    expect(sent).toEqual(
      [/^begin/, /as held .*for no key update/, /into effects/, /insert into .*task_steps/, /^commit/].map(
        (text) => expect.stringMatching(text),
      ),
    )
  })

  test('commits its effects with it, in a pool and in Drizzle, also side by side', async () => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    const db = drizzle({ client: pool })
    const seen: unknown[] = []
    const pay = task('pay')(async (_params, ctx) => {
      const { attempt } = ctx
      const results = await Promise.all([
        ctx.step(
          'pool',
          async (tx) => void (await tx.query('insert into effects values ($1, $2)', ['pool', attempt])),
          { tx: pool },
        ),
        ctx.step('drizzle', (tx) => tx.insert(effects).values({ step: 'drizzle', attempt }), { tx: db }),
        ctx.step('read', (tx) => tx.execute(sql`select 1 as one`), { tx: db }),
      ])
      seen.push(results)
      const broken = ctx.step(
        'broken',
        async (tx) => {
          await tx.insert(effects).values({ step: 'broken', attempt })
          if (attempt === 1) throw new Error('on purpose')
        },
        { tx: db },
      )
      await broken
    })
    const { manager } = engines.start([pay], SOON)
    const { taskId } = await manager.createTask(pay)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', stepCount: 4, retryCount: 1 })
    expect(await readEffects()).toEqual(['broken 2', 'drizzle 1', 'pool 1'])
    const result = (command: string, rowCount: number, rows: unknown[]) => ({ command, rowCount, rows })
    const results = [null, result('INSERT', 1, []), result('SELECT', 1, [{ one: 1 }])]
    expect(seen).toEqual([results, results])
    expect(await manager.listLogs(taskId, { level: 'WARNING' })).toMatchObject({ total: 0 })
  })

  test('returns no more of a statement than its command, count and rows, in a list, too', async () => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    const load = task('load')((_params, ctx) =>
      ctx.step(
        'several',
        async (tx) => ({
          list: [await tx.query(`insert into effects values ('one', 1)`), await tx.query('select 1 as one')],
          several: await tx.query('select 2 as two; select 3 as three'),
        }),
        { tx: pool },
      ),
    )
    const { manager } = engines.start([load], SOON)
    const { taskId } = await manager.createTask(load)
    const selected = (row: object) => ({ command: 'SELECT', rowCount: 1, rows: [row] })
    expect((await manager.waitFor(taskId)).result).toEqual({
      list: [{ command: 'INSERT', rowCount: 1, rows: [] }, selected({ one: 1 })],
      several: [selected({ two: 2 }), selected({ three: 3 })],
    })
    expect(await manager.listLogs(taskId, { level: 'WARNING' })).toMatchObject({ total: 0 })
  })

  test('of a task that was taken away has no effect', async () => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    const inside = createGate()
    const lost = createGate()
    const codes: string[] = []
    const pay = task('pay')(async (_params, ctx) => {
      inside.open()
      await lost.opened
      await ctx
        .step('pay', (tx) => tx.query(`insert into effects values ('pay', 1)`), { tx: pool })
        .catch((error: { code: string }) => codes.push(error.code))
    })
    const { manager, executor } = engines.start([pay], SOON)
    const { taskId } = await manager.createTask(pay)
    await inside.opened
    await pool.query(
      `update async_tasks set attempt = 2, executor_id = gen_random_uuid() where task_id = $1`,
      [taskId],
    )
    lost.open()
    await expect.poll(() => codes).toEqual(['TASK_LOST'])
    await executor.stop()
    expect(await readEffects()).toEqual([])
  })

  test('whose commit got no response is looked up, and repeated if it was rolled back', async () => {
    const { task } = createTaskRegistry()
    const proxy = await startFaultProxy(engines.database.url)
    const cut = createPool({ connectionString: proxy.url })
    onTestFinished(async () => {
      await endPool(cut, 1_000)
      await proxy.close()
    })
    const runs: string[] = []
    const pay = task('pay', { maxRetries: 0 })(async (_params, ctx) => {
      for (const name of ['committed', 'rolled back']) {
        const dropped = name === 'committed' ? proxy.dropAnswerTo('commit\0') : undefined
        await ctx.step(
          name,
          async (tx) => {
            await tx.query('insert into effects values ($1, $2)', [name, ctx.attempt])
            runs.push(name)
            // Its own statement of the step is not answered: the transaction is rolled back.
            if (name !== 'committed' && runs.length === 2) {
              void proxy.dropAnswerTo(engines.database.schema.rename('insert into public.async_task_steps'))
            }
            return runs.length
          },
          { tx: cut },
        )
        await dropped
      }
      return runs.length
    })
    const { manager } = engines.start([pay], SOON)
    const { taskId } = await manager.createTask(pay)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', stepCount: 2, result: 3 })
    expect(runs).toEqual(['committed', 'rolled back', 'rolled back'])
    expect(await readEffects()).toEqual(['committed 1', 'rolled back 1'])
  })

  test('that was begun before a sleep finishes before it', async () => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    const pay = task('pay')(async (_params, ctx) => {
      const effect = (name: string) =>
        ctx.step(name, (tx) => tx.query('insert into effects values ($1, $2)', [name, ctx.attempt]), {
          tx: pool,
        })
      await Promise.all([effect('one'), effect('two'), ctx.sleep('nap', { days: 1 })])
    })
    const { manager } = engines.start([pay], SOON)
    const { taskId } = await manager.createTask(pay)
    await expect.poll(async () => (await manager.getTask(taskId))?.attempts[0]?.outcome).toBe('sleeping')
    expect(await readEffects()).toEqual(['one 1', 'two 1'])
    await manager.runNow(taskId)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', stepCount: 3 })
    expect(await readEffects()).toEqual(['one 1', 'two 1'])
  })

  test('has its own transaction on a client that steps of other tasks use, too', async () => {
    const { task } = createTaskRegistry()
    const client = new pg.Client({ connectionString: engines.database.url })
    await client.connect()
    // The database is dropped before the test has finished.
    client.on('error', () => {})
    onTestFinished(() => client.end())
    const query = vi.spyOn(client, 'query')
    const db = drizzle({ client })
    const both = createGate()
    let started = 0
    const pay = task('pay', { maxRetries: 0 })(async (_params, ctx) => {
      started += 1
      if (started === 2) both.open()
      await both.opened
      await ctx.step('pay', (tx) => tx.insert(effects).values({ step: 'pay', attempt: ctx.attempt }), {
        tx: db,
      })
    })
    const { manager } = engines.start([pay], { ...SOON, concurrency: 2 })
    const made = await manager.createTasks([{ task: pay }, { task: pay }])
    for (const { taskId } of made)
      expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
    expect(await readEffects()).toEqual(['pay 1', 'pay 1'])
    const sent = query.mock.calls.map(([one]: unknown[]) =>
      typeof one === 'string' ? one : (one as { text: string }).text,
    )
    expect(sent.filter((text) => /^(begin|commit|rollback)/.test(text))).toEqual([
      ...['begin', 'commit'],
      ...['begin', 'commit'],
    ])
  })

  test('may complete the task in its transaction', async () => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    const pay = task('pay')((_params, ctx) => ctx.step('pay', (tx) => ctx.complete(tx, 'paid'), { tx: pool }))
    const { manager } = engines.start([pay], SOON)
    const { taskId } = await manager.createTask(pay)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'paid', stepCount: 1 })
  })
})
