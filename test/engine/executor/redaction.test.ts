import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskEventMap } from '../../../src/engine/runtime/events.ts'
import { logTaskEvents } from '../../../src/telemetry/log.ts'
import { nextEvent } from '../../support/engine.ts'
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

test('a secret is hidden in other forms, in keys and in results, wherever the task is shown', async () => {
  const { task } = createTaskRegistry()
  const params = z.object({ token: z.string(), pin: z.int() })
  const options = { params, redact: ['token', 'pin'], maxRetries: 0 }
  const secret = 'a"b\\c/d e+f'
  const call = task('call', { ...options, concurrencyKey: ({ token }) => `of ${token}` })((given, ctx) => {
    ctx.log.info(JSON.stringify(given), {
      url: `http://x/?t=${encodeURIComponent(given.token)}`,
      tries: given.pin,
    })
    ctx.log.warn({ authorization: `Basic ${Buffer.from(`me:${given.token}`).toString('base64')}` }, 'calling')
    return { echo: given.token, list: [given.pin, 7] }
  })
  const fail = task(
    'fail',
    options,
  )((given) => {
    throw { given, body: JSON.stringify(given) }
  })
  const { manager, events } = engines.start([call, fail])
  const lines: unknown[] = []
  const write = (...line: unknown[]) => void lines.push(line)
  logTaskEvents(events, { debug: write, info: write, warn: write, error: write })
  const given = { token: secret, pin: 472_931 }
  const called = await manager.createTask(call, given, { uniqueKey: `once ${secret}` })
  const failed = await manager.createTask(fail, given)
  const ended = [await manager.waitFor(called.taskId), await manager.waitFor(failed.taskId)]
  const logs = [await manager.listLogs(called.taskId), await manager.listLogs(failed.taskId)]
  expect(ended[0]).toMatchObject({
    status: 'completed',
    concurrencyKey: 'of [redacted]',
    uniqueKey: 'once [redacted]',
    result: { echo: '[redacted]', list: ['[redacted]', 7] },
  })
  expect(ended[1]).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/^thrown: \{.*\[redacted\]/),
  })
  expect(lines.length).toBeGreaterThan(4)
  const seen = inspect([called, failed, ended, logs, lines], { depth: 10, maxStringLength: null })
  for (const form of [/a(\\)*"b/, /a%22b/, /YSJi|EiYl|hImJ/, /472931/]) expect(seen).not.toMatch(form)
  // Stored as it is: claims compare it.
  const { rows } = await engines.database.pool.query(
    'select concurrency_key as key from async_tasks where concurrency_key is not null',
  )
  expect(rows).toEqual([{ key: `of ${secret}` }])
})

test.each(['throw', 'reject'])(
  "a thread reports no secret in an error after its handler's return: %s",
  async (how) => {
    const { task } = createTaskRegistry()
    const leaking = task(`leaking_${how}`, {
      params: z.object({ token: z.string(), how: z.string() }),
      redact: ['token'],
      run: 'thread',
      module: new URL('./thread/modules/leaking.ts', import.meta.url),
    })()
    const { manager, events } = engines.start([leaking])
    const stray = nextEvent(events, 'lateThreadError')
    const { taskId } = await manager.createTask(leaking, { token: 'say "friend"', how })
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: `leaking_${how}` })
    const { error } = await stray
    expect(error).toMatchObject({ message: expect.stringMatching(/^left behind: "?\[redacted\]"?$/) })
    expect(inspect(error)).not.toContain('friend')
  },
)
