import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { beforeEach, describe, expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { countHeldUp } from '../../support/held-up.ts'

const engines = useEngines()
const { task } = createTaskRegistry()

beforeEach(async () => {
  await engines.database.pool.query('create table business (task_id text, attempt int)')
})

const businessRows = async () =>
  (await engines.database.pool.query('select * from business order by attempt')).rows

describe('ctx.complete', () => {
  test('commits the completion together with business rows, through a pg client', async () => {
    const pay = task('pay')(async (_params, ctx) => {
      ctx.log.info('paying')
      ctx.progress(3, 4)
      await withTransaction(engines.database.pool, async (tx) => {
        await tx.query('insert into business values ($1, $2)', [ctx.taskId, ctx.attempt])
        await ctx.complete(tx, { paid: true })
      })
      return 'ignored'
    })
    const { manager, events } = engines.start([pay])
    const ended = nextEvent(events, 'ended')
    const { taskId } = await manager.createTask(pay)
    expect(await ended).toMatchObject({ outcome: 'completed' })
    expect(await manager.getTask(taskId)).toMatchObject({
      status: 'completed',
      result: { paid: true },
      percent: 100,
    })
    expect(await businessRows()).toEqual([{ task_id: taskId, attempt: 1 }])
    expect(await manager.listLogs(taskId)).toMatchObject({ total: 1 })
  })

  test('works in a Drizzle transaction', async () => {
    const pay = task('pay_drizzle')(async (_params, ctx) => {
      await drizzle({ client: engines.database.pool }).transaction(async (tx) => {
        await tx.execute(sql`insert into business values (${ctx.taskId}, ${ctx.attempt})`)
        await ctx.guard(tx)
        await ctx.complete(tx)
      })
    })
    const { manager } = engines.start([pay])
    const { taskId } = await manager.createTask(pay)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: null })
    expect(await businessRows()).toHaveLength(1)
  })

  test('a handler that returns after the transaction was rolled back has failed the attempt', async () => {
    const rollBack = task('roll_back', { retryBaseMs: 0, maxRetries: 1 })(async (_params, ctx) => {
      await withTransaction(engines.database.pool, async (tx) => {
        await tx.query('insert into business values ($1, $2)', [ctx.taskId, ctx.attempt])
        await ctx.complete(tx)
        if (ctx.attempt === 1) throw new Error('on second thoughts')
      }).catch(() => {})
    })
    const { manager } = engines.start([rollBack])
    const { taskId } = await manager.createTask(rollBack)
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'completed', retryCount: 1 })
    expect(ended.attempts[0]?.error).toContain('COMPLETION_ROLLED_BACK')
    expect(await businessRows()).toEqual([{ task_id: taskId, attempt: 2 }])
  })

  test('an error after the commit changes nothing', async () => {
    const late = task('late')(async (_params, ctx) => {
      await withTransaction(engines.database.pool, (tx) => ctx.complete(tx, 1))
      throw new Error('too late to fail')
    })
    const { manager } = engines.start([late])
    const { taskId } = await manager.createTask(late)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 1, error: null })
  })
})

describe('a run that lost its task', () => {
  test('commits nothing: guard and complete throw TASK_LOST', async () => {
    const started = createGate()
    const codes: unknown[] = []
    const done = createGate()
    const zombie = task('zombie')(async (_params, ctx) => {
      started.open()
      await aborted(ctx.signal)
      for (const say of [ctx.guard, ctx.complete]) {
        const attempt = withTransaction(engines.database.pool, async (tx) => {
          await tx.query('insert into business values ($1, $2)', [ctx.taskId, ctx.attempt])
          await say(tx)
        })
        codes.push(await attempt.catch((error) => error.code))
      }
      done.open()
    })
    const { manager } = engines.start([zombie])
    const { taskId } = await manager.createTask(zombie)
    await started.opened
    await manager.cancelTask(taskId)
    await done.opened
    expect(codes).toEqual(['TASK_LOST', 'TASK_LOST'])
    expect(await businessRows()).toEqual([])
  })

  test('is found out by the database even when no signal has reached it', async () => {
    const started = createGate()
    const go = createGate()
    const failed = createGate()
    let code: unknown
    const blind = task('blind')(async (_params, ctx) => {
      started.open()
      await go.opened
      const write = withTransaction(engines.database.pool, (tx) => ctx.guard(tx))
      code = await write.catch((error) => error.code)
      failed.open()
    })
    const { manager } = engines.start([blind])
    const { taskId } = await manager.createTask(blind)
    await started.opened
    await engines.database.pool.query(`update async_tasks set attempt = attempt + 1 where task_id = $1`, [
      taskId,
    ])
    go.open()
    await failed.opened
    expect(code).toBe('TASK_LOST')
  })

  test("a cancel waits for the guard's transaction, whose rows stay whole", async () => {
    const guarded = createGate()
    const commit = createGate()
    const write = task('write')(async (_params, ctx) => {
      await withTransaction(engines.database.pool, async (tx) => {
        await ctx.guard(tx)
        await tx.query('insert into business values ($1, $2)', [ctx.taskId, ctx.attempt])
        guarded.open()
        await commit.opened
      })
      await aborted(ctx.signal)
    })
    const { manager } = engines.start([write])
    const { taskId } = await manager.createTask(write)
    await guarded.opened
    const cancelled = manager.cancelTask(taskId)
    await expect.poll(() => countHeldUp(engines.database.pool)).toBe(1)
    commit.open()
    expect(await cancelled).toMatchObject({ status: 'cancelled' })
    expect(await businessRows()).toHaveLength(1)
  })
})

describe('a transaction that stays open', () => {
  test("does not hold up its own handler's output, nor anybody else's", async () => {
    const reported = createGate()
    const slow = task('slow_transaction')(async (_params, ctx) => {
      await withTransaction(engines.database.pool, async (tx) => {
        await ctx.guard(tx)
        ctx.progress(1, 2)
        ctx.log.info('inside')
        reported.open()
        // Until the flush of the progress has met the lock.
        await expect.poll(otherEnded).toBe(true)
        await ctx.complete(tx, 'done')
      })
    })
    const other = task('other')(async (_params, ctx) => {
      await reported.opened
      for (let i = 1; i <= 3; i += 1) {
        ctx.progress(i, 3)
        await expect.poll(async () => (await manager.getTask(ctx.taskId))?.progress).toBe(i)
      }
    })
    const { manager } = engines.start([slow, other])
    const first = await manager.createTask(slow)
    const second = await manager.createTask(other)
    const otherEnded = async () => (await manager.getTask(second.taskId))?.status === 'completed'
    expect(await manager.waitFor(second.taskId)).toMatchObject({ status: 'completed' })
    expect(await manager.waitFor(first.taskId)).toMatchObject({
      status: 'completed',
      result: 'done',
      progress: 2,
    })
  })

  test('after the other lets progress be seen in between', async () => {
    let goOn = true
    const busy = task('one_transaction_after_the_other')(async (_params, ctx) => {
      for (let unit = 1; goOn; unit += 1) {
        await withTransaction(engines.database.pool, async (tx) => {
          await ctx.guard(tx)
          await tx.query('select pg_sleep(0.05)')
        })
        ctx.progress(unit, 1_000_000)
      }
    })
    const { manager } = engines.start([busy])
    const { taskId } = await manager.createTask(busy)
    const progress = async () => (await manager.getTask(taskId))?.progress ?? 0
    for (let seen = 0, times = 0; times < 3; times += 1) {
      await expect.poll(progress).toBeGreaterThan(seen)
      seen = await progress()
    }
    goOn = false
    await manager.waitFor(taskId)
  })

  test('of somebody else, on a finished task, holds up no other completion', async () => {
    const finish = createGate()
    const work = task('work_beside_a_lock')(() => finish.opened)
    const { manager } = engines.start([work], { concurrency: 20 })
    const created = await manager.createTasks(Array.from({ length: 20 }, () => ({ task: work })))
    await expect.poll(async () => (await manager.listTasks({ status: ['running'] })).total).toBe(20)
    const [locked, ...others] = created
    await withTransaction(engines.database.pool, async (tx) => {
      await tx.query('select from async_tasks where task_id = $1 for update', [locked?.taskId])
      finish.open()
      for (const { taskId } of others) expect((await manager.waitFor(taskId)).status).toBe('completed')
      expect((await manager.getTask(locked?.taskId ?? ''))?.status).toBe('running')
    })
    expect(await manager.waitFor(locked?.taskId ?? '')).toMatchObject({ status: 'completed' })
  })
})

test('a handler that goes on after its own completion keeps the task from being retried beside it', async () => {
  const committed = createGate()
  const leave = createGate()
  const lingering = task('lingering')(async (_params, ctx) => {
    await withTransaction(engines.database.pool, (tx) => ctx.complete(tx, ctx.attempt))
    committed.open()
    await leave.opened
  })
  const { manager, executor } = engines.start([lingering], { heartbeatIntervalMs: 100, leaseMs: 1_000 })
  const { taskId } = await manager.createTask(lingering)
  await committed.opened
  expect(await manager.getTask(taskId)).toMatchObject({ status: 'completed', result: 1 })
  await expect(manager.retryTask(taskId)).rejects.toMatchObject({ code: 'TASK_STILL_STOPPING' })
  leave.open()
  await expect.poll(() => executor.health().running).toBe(0)
  expect(await manager.retryTask(taskId)).toMatchObject({ status: 'pending' })
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 2 })
})
