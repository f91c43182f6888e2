import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

describe('progress', () => {
  test('a million calls cost few writes', async () => {
    await countProgressWrites()
    const { task } = createTaskRegistry()
    const CALLS = 1_000_000
    const BLOCK = 10_000
    let seconds = 0
    const busy = task('busy')(async (_params, ctx) => {
      const begun = performance.now()
      let calls = 0
      // Goes on for two seconds, and lets the writes happen in between as a real handler would.
      while (calls < CALLS || performance.now() - begun < 2_000) {
        for (let i = 0; i < BLOCK; i += 1) ctx.progress(Math.min(++calls, CALLS), CALLS)
        await new Promise(setImmediate)
      }
      seconds = (performance.now() - begun) / 1_000
    })
    const { manager } = engines.start([busy])
    const { taskId } = await manager.createTask(busy)
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'completed', progress: CALLS, total: CALLS, percent: 100 })
    const { rows } = await engines.database.pool.query('select count(*)::int as writes from progress_writes')
    expect(rows[0].writes).toBeGreaterThan(1)
    expect(rows[0].writes).toBeLessThanOrEqual(Math.ceil(seconds * 5) + 1)
  })

  test('is integers from 0 to total, never falls within an attempt, and starts at 0 in the next', async () => {
    const { task } = createTaskRegistry()
    const seen: unknown[] = []
    const steps = [createGate(), createGate()]
    const walk = task('walk', { retryBaseMs: 0 })(async (_params, ctx) => {
      if (ctx.attempt === 1) {
        ctx.progress(7.9, 10, 'seven')
        ctx.progress(3)
        await steps[0]?.opened
        ctx.progress(99, 10)
        for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5' as never]) {
          try {
            ctx.progress(bad)
          } catch (error) {
            seen.push((error as Error).name)
          }
        }
        throw new Error('again')
      }
      await steps[1]?.opened
    })
    const { manager, events } = engines.start([walk])
    const { taskId } = await manager.createTask(walk)
    await expect
      .poll(() => manager.getTask(taskId))
      .toMatchObject({ progress: 7, total: 10, percent: 70, step: 'seven' })
    // What is reported from outside counts too, and does not lower it either.
    expect(await manager.updateProgress(taskId, 2)).toMatchObject({ progress: 7 })
    expect(await manager.updateProgress(taskId, 8)).toMatchObject({ progress: 8, percent: 80 })
    const second = nextEvent(events, 'started', (event) => event.attempt === 2)
    steps[0]?.open()
    await second
    expect(seen).toEqual(['TypeError', 'TypeError', 'TypeError', 'TypeError'])
    expect(await manager.getTask(taskId)).toMatchObject({
      status: 'running',
      progress: 0,
      total: 0,
      step: null,
    })
    steps[1]?.open()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', percent: 100 })
    await expect(manager.updateProgress(taskId, 1)).rejects.toMatchObject({ code: 'TASK_NOT_RUNNING' })
  })

  test('a failed task keeps how far it came', async () => {
    const { task } = createTaskRegistry()
    const half = task('half', { maxRetries: 0 })((_params, ctx) => {
      ctx.progress(5, 10, 'half-way')
      throw new Error('stop')
    })
    const { manager } = engines.start([half])
    const { taskId } = await manager.createTask(half)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed', percent: 50, step: 'half-way' })
  })
})

describe('log', () => {
  test('100,000 lines arrive complete, in order, in batches, and before the end is visible', async () => {
    const LINES = 100_000
    const { task } = createTaskRegistry()
    const chatty = task('chatty')((_params, ctx) => {
      for (let i = 0; i < LINES; i += 1) ctx.log.info(`line ${i}`)
    })
    const { manager } = engines.start([chatty])
    const { taskId } = await manager.createTask(chatty)
    expect((await manager.waitFor(taskId)).status).toBe('completed')
    const { rows } = await engines.database.pool.query(
      `select count(*)::int as lines, count(distinct writer::text)::int as batches,
              bool_and(message = 'line ' || position) as "inOrder",
              bool_and(created_at <= now()) as "inThePast"
         from (select *, xmin as writer, row_number() over (order by id) - 1 as position
                 from async_task_logs where task_id = $1) l`,
      [taskId],
    )
    expect(rows[0]).toMatchObject({ lines: LINES, inOrder: true, inThePast: true })
    expect(rows[0].batches).toBeLessThanOrEqual(LINES / 1_000 + 5)
    const page = await manager.listLogs(taskId, { pageSize: 2, page: 2 })
    expect(page.total).toBe(LINES)
    expect(page.logs.map((line) => line.message)).toEqual(['line 2', 'line 3'])
  })

  test('levels, fields and attempts are kept; what cannot be stored does not fail the task', async () => {
    const { task } = createTaskRegistry()
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const levels = task('levels')((_params, ctx) => {
      ctx.log.debug('a')
      ctx.log.info('b', { user: 7 })
      ctx.log.warn('c\u0000\ud800')
      ctx.log.error('d', cycle)
      ctx.log.info('x'.repeat(50_000))
    })
    const { manager } = engines.start([levels])
    const { taskId } = await manager.createTask(levels)
    await manager.waitFor(taskId)
    const { logs } = await manager.listLogs(taskId)
    expect(logs.map((line) => [line.level, line.message.slice(0, 3), line.attempt])).toEqual([
      ['DEBUG', 'a', 1],
      ['INFO', 'b', 1],
      ['WARNING', 'c\uFFFD\uFFFD', 1],
      ['ERROR', 'd', 1],
      ['INFO', 'xxx', 1],
    ])
    expect(logs[1]?.data).toEqual({ user: 7 })
    expect(logs[3]?.data).toHaveProperty('unserialisable')
    expect(logs[4]?.message).toHaveLength(10_000)
  })

  test('lines of a task that is deleted meanwhile go with it, and delay no others', async () => {
    const { task } = createTaskRegistry()
    const started = [createGate(), createGate()]
    let runs = 0
    const talk = task('talk')(async (_params, ctx) => {
      ctx.log.info('said')
      started[runs++]?.open()
      await aborted(ctx.signal)
    })
    const { manager } = engines.start([talk])
    const first = await manager.createTask(talk)
    await started[0]?.opened
    await manager.cancelTask(first.taskId)
    await manager.deleteTask(first.taskId)
    const next = await manager.createTask(talk)
    await started[1]?.opened
    await manager.cancelTask(next.taskId)
    await expect.poll(async () => (await manager.listLogs(next.taskId)).total).toBe(1)
    expect(await manager.getTask(first.taskId)).toBeUndefined()
  })
})

/** A trigger counts the updates that change progress while the task stays running. */
async function countProgressWrites(): Promise<void> {
  await engines.database.pool.query(`
    create table progress_writes (at timestamptz default now());
    create function count_write() returns trigger language plpgsql as
      $$ begin insert into progress_writes default values; return new; end $$;
    create trigger count_write after update on async_tasks
      for each row when (old.status = 'running' and new.status = 'running') execute function count_write()`)
}
