import { describe, expect, test } from 'vitest'
import { PermanentError } from '../../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { createGate } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()
const SOON = { retryBaseMs: 0, pollIntervalMs: 20 }

describe('a step', () => {
  test('that an earlier attempt has finished is not run again, and returns the same', async () => {
    const { task } = createTaskRegistry()
    const ran: string[] = []
    const seen: unknown[] = []
    const load = task('load')(async (_params, ctx) => {
      const run = (name: string, value: unknown) =>
        ctx.step(name, () => {
          ran.push(`${name} ${ctx.attempt}`)
          return value
        })
      const values = [await run('date', new Date(0)), await run('none', undefined)]
      values.push(await run('odd', { text: '\u0000"\\{}', map: new Map([['a', 1]]), left: undefined }))
      values.push(...(await Promise.all([run('one', 1), run('null', null)])))
      seen.push(values)
      if (ctx.attempt < 3) throw new Error('on purpose')
      await run('last', 'done')
    })
    const { manager } = engines.start([load], SOON)
    const { taskId } = await manager.createTask(load)
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'completed', retryCount: 2, stepCount: 6 })
    expect(ran).toEqual([...['date', 'none', 'odd', 'one', 'null'].map((name) => `${name} 1`), 'last 3'])
    const values = ['1970-01-01T00:00:00.000Z', null, { text: '\u0000"\\{}', map: [['a', 1]] }, 1, null]
    expect(seen).toEqual([values, values, values])
    expect(ended.steps.map(({ name, attempt }) => [name, attempt])).toEqual([
      ['date', 1],
      ['none', 1],
      ['odd', 1],
      ['one', 1],
      ['null', 1],
      ['last', 3],
    ])
    for (const { startedAt, endedAt } of ended.steps) expect(+endedAt).toBeGreaterThanOrEqual(+startedAt)
  })

  test('that throws leaves nothing behind, and runs again in the next attempt', async () => {
    const { task } = createTaskRegistry()
    const ran: string[] = []
    const load = task('load')(async (_params, ctx) => {
      const handled = await ctx
        .step('handled', () => {
          ran.push('handled')
          throw new Error('first')
        })
        .catch((error: Error) => error.message)
      await ctx.step('broken', () => {
        ran.push(`broken after ${handled}`)
        if (ctx.attempt === 1) throw new Error('second')
      })
    })
    const { manager } = engines.start([load], SOON)
    const { taskId } = await manager.createTask(load)
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({
      status: 'completed',
      stepCount: 1,
      steps: [{ name: 'broken', attempt: 2 }],
    })
    expect(ended.attempts[0]).toMatchObject({ outcome: 'failed', error: 'second' })
    expect(ran).toEqual(['handled', 'broken after first', 'handled', 'broken after first'])
  })

  test('is refused for a bad name, a name used before, a step inside it, and a bad result', async () => {
    const { task } = createTaskRegistry()
    const codes: unknown[] = []
    const note = (work: Promise<unknown>) =>
      work.then(
        () => codes.push('none'),
        (error: { code?: string; name: string }) => codes.push(error.code ?? error.name),
      )
    const load = task('load')(async (_params, ctx) => {
      for (const name of ['', 'x'.repeat(201), 'a\u0000', 7]) await note(ctx.step(name as string, () => 1))
      await note(ctx.step('x'.repeat(200), () => 1))
      await note(ctx.step('once', () => 1))
      await note(ctx.step('once', () => 1))
      await note(ctx.sleep('once', 1))
      await note(
        ctx.step('outer', () => note(ctx.step('inner', () => 1)).then(() => note(ctx.sleep('nap', 1)))),
      )
      // biome-ignore lint/suspicious/noThenProperty: as that of a query builder, it runs once it is awaited
      const query = { then: (end: (value: unknown) => void) => end(note(ctx.step('in a query', () => 1))) }
      await note(ctx.step('outer of a query', () => query as never))
      await note(ctx.step('no function', 'work' as never))
      await note(ctx.step('no option', () => 1, { txn: 1 } as never))
      await note(ctx.step('no database', () => 1, { tx: {} as never }))
      for (const until of [
        -1,
        Number.NaN,
        {},
        { hours: -1 },
        { weeks: 1 },
        new Date(Number.NaN),
        'x',
        1e15,
      ]) {
        await note(ctx.sleep(`nap until ${String(until)}`, until as number))
      }
      await note(ctx.step('no JSON', () => 1n))
    })
    const { manager } = engines.start([load], { ...SOON, maxRetries: 0 })
    const { taskId } = await manager.createTask(load)
    const ended = await manager.waitFor(taskId)
    const invalid = (count: number) => Array.from({ length: count }, () => 'INVALID_ARGUMENT')
    expect(codes).toEqual([
      ...invalid(4),
      'none',
      'none',
      ...invalid(4),
      'none',
      ...invalid(1),
      'none',
      ...invalid(11),
      'PermanentError',
    ])
    expect(ended).toMatchObject({ status: 'completed', stepCount: 4 })
  })

  test('beyond the ten thousandth is refused', async () => {
    const { task } = createTaskRegistry()
    const load = task('load')(async (_params, ctx) => {
      if (ctx.attempt === 1) throw new Error('on purpose')
      await ctx.step('one more', () => 1)
      return ctx.step('too many', () => 1).catch((error: { code: string }) => error.code)
    })
    const { manager, executor } = engines.create([load], SOON)
    const { taskId } = await manager.createTask(load)
    await engines.database.pool.query(
      `insert into async_task_steps (task_id, name, attempt, started_at, ended_at)
       select $1, 'step ' || i, 1, now(), now() from generate_series(1, 9999) i`,
      [taskId],
    )
    executor.start()
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ result: 'TOO_MANY_STEPS', stepCount: 10_000 })
    expect(ended.steps).toHaveLength(1_000)
    expect(ended.steps.at(-1)).toMatchObject({ name: 'one more', attempt: 2 })
  })

  test('of a cancelled task is lost, and none begins after the cancel', async () => {
    const { task } = createTaskRegistry()
    const inside = createGate()
    const cancelled = createGate()
    const codes: string[] = []
    const load = task('load')(async (_params, ctx) => {
      const note = (error: { code: string }) => void codes.push(error.code)
      const step = ctx.step('under way', async () => {
        inside.open()
        await cancelled.opened
      })
      await step.catch(note)
      await ctx.step('after', () => void codes.push('ran')).catch(note)
      await ctx.sleep('nap', 1).catch(note)
    })
    const { manager } = engines.start([load], SOON)
    const { taskId } = await manager.createTask(load)
    await inside.opened
    await manager.cancelTask(taskId)
    cancelled.open()
    await expect.poll(async () => (await manager.getTask(taskId))?.stopping).toBe(false)
    expect(codes).toEqual(['TASK_LOST', 'TASK_LOST', 'TASK_LOST'])
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'cancelled', steps: [], stepCount: 0 })
  })

  test('holds the attempt until it has ended, when its handler has thrown meanwhile', async () => {
    const { task } = createTaskRegistry()
    const failed = createGate()
    const ran: string[] = []
    const load = task('load')(async (_params, ctx) => {
      const slow = ctx.step('slow', async () => {
        ran.push('slow')
        await failed.opened
      })
      const fails = ctx.step('fails', () => {
        ran.push('fails')
        if (ctx.attempt === 1) throw new Error('on purpose')
      })
      fails.catch(() => setImmediate(failed.open))
      await Promise.all([slow, fails])
    })
    const { manager } = engines.start([load], SOON)
    const { taskId } = await manager.createTask(load)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', stepCount: 2 })
    expect(ran).toEqual(['slow', 'fails', 'fails'])
  })
})

describe('a sleep', () => {
  test('keeps the progress, below which the next attempt does not fall', async () => {
    const { task } = createTaskRegistry()
    const [awake, seen] = [createGate(), createGate()]
    const nap = task('nap')(async (_params, ctx) => {
      ctx.progress(ctx.attempt, 3, `attempt ${ctx.attempt}`)
      if (ctx.attempt === 1) ctx.progress(2, 3, 'before')
      await ctx.sleep('nap', { days: 1 })
      ctx.progress(1, 3, 'after')
      awake.open()
      await seen.opened
      throw new PermanentError('enough')
    })
    const { manager } = engines.start([nap], SOON)
    const { taskId } = await manager.createTask(nap)
    const find = () => manager.getTask(taskId)
    await expect
      .poll(find)
      .toMatchObject({ status: 'pending', progress: 2, total: 3, percent: 66, step: 'before' })
    await manager.runNow(taskId)
    await awake.opened
    await expect.poll(find).toMatchObject({ status: 'running', progress: 2, total: 3, step: 'after' })
    seen.open()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed', progress: 2 })
  })

  test('frees the slot, spends no retry, and is passed by the next attempt', async () => {
    const { task } = createTaskRegistry()
    const ran: string[] = []
    const nap = task('nap')(async (_params, ctx) => {
      await ctx.step('before', () => void ran.push('before'))
      try {
        await ctx.sleep('nap', { days: 1 })
      } catch (error) {
        // Whatever it does now decides nothing.
        await ctx.step('never', () => void ran.push('never')).catch(() => {})
        throw new PermanentError('decides nothing', { cause: error })
      }
      await ctx.step('after', () => void ran.push('after'))
      return ctx.attempt
    })
    const other = task('other')(() => 'ran')
    const { manager } = engines.start([nap, other], { ...SOON, concurrency: 1, maxRetries: 0 })
    const { taskId } = await manager.createTask(nap)
    const { taskId: otherId } = await manager.createTask(other)
    expect(await manager.waitFor(otherId)).toMatchObject({ status: 'completed' })
    const asleep = await manager.getTask(taskId)
    expect(asleep).toMatchObject({
      status: 'pending',
      error: null,
      attempts: [{ attempt: 1, outcome: 'sleeping', error: null }],
      steps: [{ name: 'before' }, { name: 'nap' }],
    })
    expect(asleep?.steps[1]?.endedAt).toEqual(asleep?.runAt)
    // Nobody wakes it up: the rest of the day passes in a moment.
    const { runAt } = await manager.updateTask(taskId, { runAt: new Date(Date.now() + 100) })
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'completed', retryCount: 0, result: 2, error: null })
    expect(Number(ended.startedAt)).toBeGreaterThanOrEqual(Number(runAt))
    expect(ran).toEqual(['before', 'after'])
  })

  test('waits for the steps beside it, and lasts to the given date', async () => {
    const { task } = createTaskRegistry()
    const asleep = createGate()
    const ran: string[] = []
    const nextYear = new Date(Date.now() + 365 * 86_400_000)
    const nap = task('nap')(async (_params, ctx) => {
      const beside = ctx.step('beside', async () => {
        ran.push('beside')
        await asleep.opened
      })
      const sleep = ctx.sleep('nap', nextYear)
      sleep.catch(() => setImmediate(asleep.open))
      await Promise.all([beside, sleep])
    })
    const { manager } = engines.start([nap], SOON)
    const { taskId } = await manager.createTask(nap)
    await expect.poll(async () => (await manager.getTask(taskId))?.stepCount).toBe(2)
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending', runAt: nextYear })
    await manager.runNow(taskId)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
    expect(ran).toEqual(['beside'])
  })

  test('goes on after a cancel and a retry, and outlives the expiry of the start', async () => {
    const { task } = createTaskRegistry()
    const nap = task('nap')(async (_params, ctx) => {
      await ctx.sleep('nap', { days: 1 })
      return 'woke up'
    })
    const { manager } = engines.start([nap], SOON)
    const { taskId } = await manager.createTask(nap, {}, { expiresAt: new Date(Date.now() + 60_000) })
    await expect.poll(async () => (await manager.getTask(taskId))?.stepCount).toBe(1)
    const asleep = await manager.getTask(taskId)
    expect(asleep?.expiresAt).toBeNull()
    await manager.cancelTask(taskId)
    expect(await manager.retryTask(taskId)).toMatchObject({ status: 'pending', runAt: asleep?.runAt })
    const woken = await manager.runNow(taskId)
    expect((await manager.getTask(taskId))?.steps[0]?.endedAt).toEqual(woken.runAt)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'woke up' })
  })
})
