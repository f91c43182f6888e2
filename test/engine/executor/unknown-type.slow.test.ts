import { beforeEach, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { rememberTypes } from '../../support/remember-types.ts'

const engines = useEngines()

beforeEach(() => rememberTypes(engines.database.pool, 'nobody_knows', 'theirs'))

describe('unknown types', () => {
  const fast = { heartbeatIntervalMs: 100, leaseMs: 2_000, pollIntervalMs: 50, unknownTypeGraceSeconds: 1 }

  test('a due task whose type no executor has registered fails after the grace, with the type and without a retry', async () => {
    const { task } = createTaskRegistry()
    const known = task('known')(() => 'ran')
    const { manager, events } = engines.start([known], fast)
    const failed = nextEvent(events, 'unknownTypeFailed')
    const begun = performance.now()
    const { taskId } = await manager.createTask('nobody_knows', { a: 1 })
    const later = await manager.createTask('nobody_knows', {}, { runAt: new Date(Date.now() + 3_600_000) })
    expect(await failed).toEqual({
      taskId,
      taskType: 'nobody_knows',
      attempt: 0,
      error: expect.stringMatching(/^UNKNOWN_TASK_TYPE/),
    })
    expect(performance.now() - begun).toBeGreaterThan(1_000)
    const ended = await manager.getTask(taskId)
    expect(ended).toMatchObject({ status: 'failed', retryCount: 0, attempts: [] })
    expect(ended?.error).toMatch(/^UNKNOWN_TASK_TYPE.*'nobody_knows'/)
    expect(await manager.getTask(later.taskId)).toMatchObject({ status: 'pending' })
  })

  test('a type that another living executor has registered is left to it', async () => {
    const { task } = createTaskRegistry()
    const busy = createGate()
    const started = createGate()
    const mine = task('mine')(() => {})
    const theirs = task('theirs')(async () => {
      started.open()
      await busy.opened
    })
    const { manager } = engines.start([mine], fast)
    engines.start([theirs], { ...fast, concurrency: 1 })
    await manager.createTask('theirs')
    await started.opened
    const waiting = await manager.createTask('theirs')
    const unknown = await manager.createTask('nobody_knows')
    expect(await manager.waitFor(unknown.taskId)).toMatchObject({ status: 'failed' })
    expect(await manager.getTask(waiting.taskId)).toMatchObject({ status: 'pending' })
    busy.open()
    expect(await manager.waitFor(waiting.taskId)).toMatchObject({ status: 'completed' })
  })

  test('the backlog of a service that is away waits for it, is shown so, and runs when it is back', async () => {
    const { task } = createTaskRegistry()
    const theirs = task('theirs')(() => 'ran')
    const patient = { ...fast, unknownTypeGraceSeconds: 3_600 }
    const away = engines.start([theirs], patient)
    await away.manager.waitFor((await away.manager.createTask('theirs')).taskId)
    await away.executor.stop()
    const { manager } = engines.start([task('mine')(() => {})], patient)
    const backlog = await manager.createTasks(Array.from({ length: 48 }, () => ({ task: 'theirs' })))
    const retried = await manager.createTask('theirs')
    await manager.cancelTask(retried.taskId)
    await manager.retryTask(retried.taskId)
    const [first] = backlog
    await expect.poll(() => manager.getTask(first?.taskId ?? '')).toMatchObject({ waitingFor: 'executor' })
    const { byType } = await manager.stats()
    expect(byType.find(({ taskType }) => taskType === 'theirs')).toMatchObject({ waitingFor: 'executor' })
    const [view] = await away.manager.listTaskTypes()
    expect(view).toMatchObject({ taskType: 'theirs', waitingFor: 'executor' })
    const back = engines.start([theirs], patient)
    for (const { taskId } of [...backlog, retried]) {
      expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', retryCount: 0 })
    }
    expect(await manager.getTask(first?.taskId ?? '')).not.toHaveProperty('waitingFor')
    expect((await back.manager.listTaskTypes())[0]).not.toHaveProperty('waitingFor')
  })

  test('the grace counts from when the type was last registered, and a paused type is left alone', async () => {
    const { task } = createTaskRegistry()
    const { pool } = engines.database
    await pool.query(
      `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at, stopped_at)
       values (gen_random_uuid(), 'h', 1, 'v', 1, '{gone_lately}', 500, now() - interval '1 minute', null),
              (gen_random_uuid(), 'h', 1, 'v', 1, '{gone_long}', 500, now() - interval '2 hours', now())`,
    )
    for (const type of ['gone_lately', 'gone_long', 'paused']) {
      await pool.query(`insert into async_tasks (task_id, task_type, run_at) values ($1, $1, '2024-01-01')`, [
        type,
      ])
    }
    await pool.query(`insert into async_task_types (task_type, paused_at) values ('paused', now())`)
    const judge = engines.start([task('judge')(() => {})], { ...fast, unknownTypeGraceSeconds: 3_600 })
    expect(await nextEvent(judge.events, 'unknownTypeFailed')).toMatchObject({ taskType: 'gone_long' })
    for (const taskId of ['gone_lately', 'paused']) {
      const { rows } = await pool.query('select status from async_tasks where task_id = $1', [taskId])
      expect(rows).toEqual([{ status: 'pending' }])
    }
  })
})
