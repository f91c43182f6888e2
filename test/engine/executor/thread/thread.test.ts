import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { nextEvent } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'
import { rememberTypes } from '../../../support/remember-types.ts'

const engines = useEngines()
const { task } = createTaskRegistry()
const inThread = (
  type: string,
  file: string,
  options: { maxRetries?: number; timeoutSeconds?: number } = {},
) => task(type, { ...options, run: 'thread', module: new URL(`./modules/${file}.ts`, import.meta.url) })()

describe('a thread handler', () => {
  test('gets its params and context, and its progress, log, children and result come back', async () => {
    const child = task('child')(() => {})
    const polite = task('polite', {
      params: z.object({ name: z.string() }),
      run: 'thread',
      module: new URL('./modules/polite.ts', import.meta.url),
    })()
    const { manager } = engines.start([polite, child])
    const { taskId } = await manager.createTask(polite, { name: 'Ada' }, { createdBy: '7' })
    const ended = await manager.waitFor(taskId)
    const children = await manager.listTasks({ taskType: 'child' })
    expect(ended).toMatchObject({
      status: 'completed',
      result: { name: 'Ada', child: children.tasks[0]?.taskId, attempt: 1, inThread: true },
      progress: 4,
      total: 4,
      step: 'first',
    })
    expect((await manager.getTask(children.tasks[0]?.taskId ?? ''))?.createdBy).toBe('7')
    const { logs } = await manager.listLogs(taskId)
    expect(logs.map((line) => [line.level, line.message])).toEqual([
      ['INFO', 'hello'],
      ['WARNING', 'odd'],
    ])
    expect(logs[0]?.data).toEqual({ name: 'Ada' })
  })

  test('in an endless loop is cancelled, and its slot is free at once', async () => {
    const endless = inThread('endless', 'endless')
    const noop = task('noop')(() => {})
    const { manager, events } = engines.start([endless, noop], { concurrency: 1, cancelGraceMs: 600_000 })
    const started = nextEvent(events, 'started')
    const { taskId } = await manager.createTask(endless)
    await started
    await manager.cancelTask(taskId)
    const next = await manager.createTask(noop)
    expect(await manager.waitFor(next.taskId)).toMatchObject({ status: 'completed' })
    expect(await manager.retryTask(taskId)).toMatchObject({ status: 'pending' })
    await manager.cancelTask(taskId)
  })

  test('in an endless loop is ended by its timeout', async () => {
    const endless = inThread('endless_timeout', 'endless', { timeoutSeconds: 1, maxRetries: 0 })
    const { manager } = engines.start([endless])
    const { taskId } = await manager.createTask(endless)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed', error: 'timed out after 1 s' })
  })

  test('hears its signal and may stop by itself', async () => {
    const listening = inThread('listening', 'listening')
    const { manager, executor } = engines.start([listening], { shutdownTimeoutMs: 3_000 })
    const { taskId } = await manager.createTask(listening)
    await expect.poll(async () => (await manager.listLogs(taskId)).total).toBe(1)
    await manager.cancelTask(taskId)
    await expect.poll(() => executor.health().running).toBe(0)
  })

  test('fails as it would in process: permanent, with its own delay, or for good when its result is no JSON', async () => {
    const failing = inThread('failing', 'failing', { maxRetries: 1 })
    const { manager, events } = engines.start([failing])
    const run = async (how: string) => {
      const ended = nextEvent(events, 'ended')
      const { taskId } = await manager.createTask(failing, { how })
      return { ended: await ended, task: await manager.getTask(taskId) }
    }
    expect((await run('permanent')).task).toMatchObject({ status: 'failed', error: 'never', retryCount: 0 })
    expect((await run('later')).ended).toMatchObject({ retryInMs: 60_000, error: 'quota' })
    expect((await run('plain')).task).toMatchObject({ status: 'pending', error: 'RangeError: plain' })
    expect((await run('uncloneable')).task).toMatchObject({
      error: expect.stringContaining('could not be cloned'),
    })
  })

  test('that crashes its thread fails its attempt alone', async () => {
    const failing = inThread('crashing', 'failing', { maxRetries: 0 })
    const { manager } = engines.start([failing])
    const { taskId } = await manager.createTask(failing, { how: 'crash' })
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'failed', error: 'out of nowhere' })
  })

  test.for([true, false])('completes its task inside its own transaction (committed: %s)', async (commit) => {
    await engines.database.pool.query('create table business (task_id text)')
    const paying = inThread(`paying_${commit}`, 'paying', { maxRetries: 0 })
    const { manager } = engines.start([paying])
    const { taskId } = await manager.createTask(paying, { url: engines.database.url, commit })
    const ended = await manager.waitFor(taskId)
    const { rows } = await engines.database.pool.query('select * from business')
    expect(rows).toHaveLength(commit ? 1 : 0)
    if (commit) expect(ended).toMatchObject({ status: 'completed', result: { paid: true } })
    else
      expect(ended).toMatchObject({
        status: 'failed',
        error: expect.stringContaining('COMPLETION_ROLLED_BACK'),
      })
    expect(await manager.listLogs(taskId, { level: 'INFO' })).toMatchObject({ total: 1 })
  })

  test.for([true, false])('creates tasks inside its own transaction (committed: %s)', async (commit) => {
    await rememberTypes(engines.database.pool, 'child')
    const enqueuing = inThread(`enqueuing_${commit}`, 'enqueuing', { maxRetries: 0 })
    const { manager } = engines.start([enqueuing])
    const { taskId } = await manager.createTask(enqueuing, { url: engines.database.url, commit })
    const { result } = await manager.waitFor(taskId)
    expect(result).toEqual(commit ? [true, false, true] : 'rolled back')
    expect(await manager.listTasks({ taskType: 'child' })).toMatchObject({ total: commit ? 1 : 0 })
  })

  test('needs a module', () => {
    expect(() => task('no_module', { run: 'thread' } as never)()).toThrow(/needs module/)
  })
})
