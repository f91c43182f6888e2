import { expect, test } from 'vitest'
import { PermanentError } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

test("an operator's retry resumes a failed task, starts a completed one anew, and goes back to a step", async () => {
  const { task } = createTaskRegistry()
  const ran: string[] = []
  const load = task('load', { maxRetries: 0 })(async (_params, ctx) => {
    const run = (name: string) => ctx.step(name, () => void ran.push(name))
    await run('a')
    await run('b')
    if (ctx.attempt === 1) throw new PermanentError('on purpose')
    await run('c')
  })
  const { manager } = engines.start([load], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(load)
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed' })
  const others = await manager.createTask(load)
  await manager.waitFor(others.taskId)
  ran.splice(0)

  const retry = async (from?: string) => {
    const pending = await manager.retryTask(taskId, from === undefined ? {} : { from })
    expect(pending.status).toBe('pending')
    const ended = await manager.waitFor(taskId)
    expect(ended.status).toBe('completed')
    expect(ended.stepCount).toBe(3)
    return ran.splice(0)
  }
  expect(await retry()).toEqual(['c'])
  expect(await retry()).toEqual(['a', 'b', 'c'])
  expect(await retry('b')).toEqual(['b', 'c'])
  expect(await retry('c')).toEqual(['c'])
  expect(await retry('start')).toEqual(['a', 'b', 'c'])
  // No other task has lost its steps.
  expect(await manager.getTask(others.taskId)).toMatchObject({ status: 'failed', stepCount: 2 })

  await expect(manager.retryTask(taskId, { from: 'z' })).rejects.toMatchObject({ code: 'STEP_NOT_FOUND' })
  await expect(manager.retryTask(taskId, { from: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  for (const options of [null, 'start', { form: 'a' }]) {
    await expect(manager.retryTask(taskId, options as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('invalid retry options: '),
    })
  }
  await expect(manager.retryTask('task_none', { from: 'a' })).rejects.toMatchObject({
    code: 'TASK_NOT_FOUND',
  })
  expect(await manager.getTask(taskId)).toMatchObject({ status: 'completed', stepCount: 3 })
})

test('a completed task that a version without steps retried starts anew, too', async () => {
  const { task } = createTaskRegistry()
  const ran: number[] = []
  const load = task('load')(async (_params, ctx) => {
    await ctx.step('a', () => void ran.push(ctx.attempt))
    await ctx.step('b', () => void ran.push(ctx.attempt))
  })
  const { manager } = engines.start([load], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(load)
  await manager.waitFor(taskId)
  await manager.retryTask(taskId, { from: 'b' })
  await manager.waitFor(taskId)
  expect(ran.splice(0)).toEqual([1, 1, 2])
  await engines.database.pool.query(
    `with recorded as (
       insert into async_task_attempts (task_id, attempt, started_at, outcome)
       select task_id, attempt, started_at, status from async_tasks where task_id = $1)
     update async_tasks set status = 'pending', run_at = now(), completed_at = null where task_id = $1`,
    [taskId],
  )
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', stepCount: 2 })
  expect(ran).toEqual([3, 3])
})

test('a step whose name holds a secret is named as it is shown', async () => {
  const { task } = createTaskRegistry()
  const ran: string[] = []
  const load = task('load', { redact: ['token'] })(async ({ token }, ctx) => {
    for (const name of ['first', `use ${token}`]) await ctx.step(name, () => void ran.push(name))
  })
  const { manager } = engines.start([load], { pollIntervalMs: 20 })
  const { taskId } = await manager.createTask(load, { token: 'secret-token' })
  const { steps } = await manager.waitFor(taskId)
  expect(steps.map(({ name }) => name)).toEqual(['first', 'use [redacted]'])
  await manager.retryTask(taskId, { from: 'use [redacted]' })
  await manager.waitFor(taskId)
  expect(ran).toEqual(['first', 'use secret-token', 'use secret-token'])
})
