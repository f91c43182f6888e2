import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

describe('features beside each other', () => {
  test('keyed + concurrency', async () => {
    let running = 0
    let most = 0
    let done = 0
    const h = createTaskRegistry().task('kc', {
      params: z.object({ k: z.string() }),
      concurrency: 2,
      concurrencyKey: ({ k }) => k,
    })(async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise((r) => setTimeout(r, 50))
      running -= 1
      done += 1
    })
    const { manager } = engines.start([h], { concurrency: 10 })
    await manager.createTasks(Array.from({ length: 20 }, (_, i) => ({ task: h, params: { k: `k${i}` } })))
    await expect.poll(() => done).toBe(20)
    expect(most).toBe(2)
  })

  test('retry of a limited type is not a poll interval late', async () => {
    const h = createTaskRegistry().task('rl', { globalConcurrency: 1, retryBaseMs: 100 })((_p, ctx) => {
      if (ctx.attempt === 1) throw new Error('once')
      return 'ok'
    })
    const { manager } = engines.start([h], { concurrency: 2, pollIntervalMs: 60_000 })
    const { taskId } = await manager.createTask(h)
    expect(await manager.waitFor(taskId, { timeoutMs: 8_000 })).toMatchObject({ result: 'ok' })
  })

  test('control: retry of a plain type', async () => {
    const h = createTaskRegistry().task('rp', { retryBaseMs: 100 })((_p, ctx) => {
      if (ctx.attempt === 1) throw new Error('once')
      return 'ok'
    })
    const { manager } = engines.start([h], { concurrency: 2, pollIntervalMs: 60_000 })
    const { taskId } = await manager.createTask(h)
    expect(await manager.waitFor(taskId, { timeoutMs: 8_000 })).toMatchObject({ result: 'ok' })
  })

  test('a stored param that is no JSON fails its task alone', async () => {
    const h = createTaskRegistry().task('bad', { redact: ['password'], maxRetries: 0 })(() => 'ok')
    const engine = engines.start([h], { pollIntervalMs: 50 })
    const { manager } = engine
    const bad = await manager.createTask(h, { password: 'x' }, { runAt: new Date(Date.now() + 1500) })
    await engines.database.pool.query(`update async_task_params set value = 'x{' where task_id = $1`, [
      bad.taskId,
    ])
    // Not by the manager: it would not understand the params either.
    const status = async () => {
      const text = 'select status from async_tasks where task_id = $1'
      return (await engines.database.pool.query(text, [bad.taskId])).rows[0].status
    }
    await expect.poll(status).toBe('failed')
    const good = await manager.createTask(h, { password: 'y' })
    expect(await manager.waitFor(good.taskId, { timeoutMs: 8_000 })).toMatchObject({ result: 'ok' })
  })

  test('a schedule whose params no longer parse can be disabled', async () => {
    const h = createTaskRegistry().task('sched', { params: z.object({ a: z.number() }) })(() => 'ok')
    const { manager } = engines.start([h], {})
    await manager.createSchedule({ name: 's1', cron: '0 0 1 1 *', task: h, params: { a: 1 } })
    await engines.database.pool.query(
      `update async_task_schedules set params = '{"a":"x"}' where name = 's1'`,
    )
    expect(await manager.updateSchedule('s1', { enabled: false })).toMatchObject({ enabled: false })
  })

  test('schedules hide what is redacted', async () => {
    const h = createTaskRegistry().task('secret', { redact: ['password'] })(() => 'ok')
    const { manager } = engines.start([h], {})
    const s = await manager.createSchedule({
      name: 's2',
      cron: '0 0 1 1 *',
      task: h,
      params: { password: 'hunter22' },
    })
    expect(JSON.stringify([s, await manager.getSchedule('s2'), await manager.listSchedules()])).not.toContain(
      'hunter22',
    )
  })

  test('retry that waits for an open key', async () => {
    const h = createTaskRegistry().task('uk', { maxRetries: 0 })(() => {
      throw new Error('no')
    })
    const { manager, executor } = engines.start([h], { leaseMs: 2_000, heartbeatIntervalMs: 500 })
    const { taskId } = await manager.createTask(h, {}, { uniqueKey: 'K' })
    await manager.waitFor(taskId)
    await executor.stop()
    const client = await engines.database.pool.connect()
    await client.query('begin')
    await manager.createTask(h, {}, { uniqueKey: 'K', tx: client })
    await expect(manager.retryTask(taskId)).rejects.toMatchObject({ code: 'UNIQUE_KEY_BUSY' })
    await client.query('rollback')
    client.release()
    await new Promise((r) => setTimeout(r, 300))
    const after = await manager.getTask(taskId)
    expect(after?.status).toBe('failed')
  })

  test('bulk retry beside an open key', async () => {
    let fails = true
    const h = createTaskRegistry().task('ukb', { maxRetries: 0 })(() => {
      if (fails) throw new Error('no')
    })
    const { manager } = engines.start([h], { leaseMs: 2_000, heartbeatIntervalMs: 500 })
    const ids: string[] = []
    for (const key of ['A', 'B', 'C', 'D'])
      ids.push((await manager.createTask(h, {}, { uniqueKey: key })).taskId)
    for (const id of ids) await manager.waitFor(id)
    fails = false
    const client = await engines.database.pool.connect()
    await client.query('begin')
    await manager.createTask(h, {}, { uniqueKey: 'C', tx: client })
    const retried = new Set<string>()
    const codes: unknown[] = []
    // A call waits for locks for 0.7 s in all, which a busy machine may need for the others.
    const retry = async () => {
      const { results } = await manager.bulk({ action: 'retry', taskIds: ids })
      for (const { ok, taskId } of results) if (ok) retried.add(taskId)
      codes.push(results[2]?.code)
      return retried.size
    }
    await expect.poll(retry).toBe(3)
    await client.query('rollback')
    client.release()
    expect(retried).not.toContain(ids[2])
    for (const code of codes) expect(['UNIQUE_KEY_BUSY', 'TASK_BUSY']).toContain(code)
  })
})
