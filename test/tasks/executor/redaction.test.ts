import { expect, test } from 'vitest'
import { z } from 'zod'
import type { TaskEventMap } from '../../../src/tasks/events.ts'
import { createTaskRegistry } from '../../../src/tasks/registry.ts'
import { logTaskEvents } from '../../../src/telemetry/log.ts'
import { useEngines } from '../../support/engines.ts'
import { rememberTypes } from '../../support/remember-types.ts'

const engines = useEngines()

test('what a type hides reaches the handler, and nothing else that anybody reads', async () => {
  const { task } = createTaskRegistry()
  const seen: unknown[] = []
  const logIn = task('log_in', {
    params: z.object({ user: z.string(), password: z.string() }),
    redact: ['password'],
    maxRetries: 0,
  })((params, ctx) => {
    seen.push(params)
    ctx.progress(1, 2, `trying ${params.password}`)
    ctx.log.info(`logging in with ${params.password}`, { ...params, note: `(${params.password})` })
    throw new Error(`wrong password ${params.password}`, { cause: new TypeError(params.password) })
  })
  const { manager, events } = engines.start([logIn], { redact: ['token'] })
  const lines: string[] = []
  const write = (fields: unknown, message?: string) => {
    lines.push(JSON.stringify(fields) + message)
  }
  logTaskEvents(events, { debug: write, info: write, warn: write, error: write } as never)
  const said: TaskEventMap['logged'][0][] = []
  events.on('logged', (event) => said.push(event))

  await rememberTypes(engines.database.pool, 'elsewhere')
  const params = { user: 'ada', password: 'hunter22' }
  const created = await manager.createTask(logIn, params)
  const [other] = await manager.createTasks([{ task: 'elsewhere', params: { token: 'abc', list: ['abc'] } }])
  const ended = await manager.waitFor(created.taskId)

  expect(seen).toEqual([params])
  for (const view of [created, ended, await manager.getTask(created.taskId)]) {
    expect(view?.params).toEqual({ user: 'ada', password: '[redacted]' })
  }
  expect(other.params).toEqual({ token: '[redacted]', list: ['abc'] })
  expect(ended).toMatchObject({
    error: 'wrong password [redacted]: TypeError: [redacted]',
    step: 'trying [redacted]',
  })
  expect(ended.attempts[0]?.stack).toContain('Error: wrong password [redacted]')
  const { logs } = await manager.listLogs(created.taskId)
  expect(logs[0]).toMatchObject({
    message: 'logging in with [redacted]',
    data: { user: 'ada', password: '[redacted]', note: '([redacted])' },
  })
  expect(said[0]).toMatchObject({ message: 'logging in with [redacted]', data: logs[0]?.data })
  expect(lines.length).toBeGreaterThan(2)
  expect(JSON.stringify([ended, logs, lines])).not.toContain('hunter22')
  // Stored as it is: the next attempt needs it.
  const { rows } = await engines.database.pool.query(
    `select value from async_task_params where key = 'password'`,
  )
  expect(rows).toEqual([{ value: '"hunter22"' }])
  expect((await manager.retryTask(created.taskId)).params.password).toBe('[redacted]')
})

test('a secret is hidden before the text around it is cut', async () => {
  const { task } = createTaskRegistry()
  const noisy = task('noisy', { params: z.object({ key: z.string() }), redact: ['key'], maxRetries: 0 })(
    ({ key }, ctx) => {
      ctx.log.info(`${'x'.repeat(9_990)}${key}`)
      throw new Error(`${'y'.repeat(1_990)}${key}`)
    },
  )
  const { manager } = engines.start([noisy])
  const { taskId } = await manager.createTask(noisy, { key: 'abcdefghijklmnop' })
  const { error } = await manager.waitFor(taskId)
  const { logs } = await manager.listLogs(taskId)
  expect(error).toMatch(/y\[redac/)
  expect(logs[0]?.message).toMatch(/x\[redacted\]$/)
})
