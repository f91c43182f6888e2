import { setImmediate } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { task } from '../../src/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createEngine, createGate, type Engine } from '../support/engine.ts'
import { commandOn, jsonOf, type RunCommand } from './run-command.ts'

const greet = task('cli_greet')(({ name }, ctx) => {
  ctx.log.info('greeting', { name: name as string })
  return `hello ${name}`
})
const fail = task('cli_fail', { maxRetries: 0 })(() => {
  throw new Error('no \u001b[31mred\u001b[0m\npaper')
})
let gate = createGate()
const wait = task('cli_wait')(async (_params, ctx) => {
  ctx.log.info('waiting')
  await gate.opened
  ctx.log.info('waited')
})

let database: TestDatabase
let engine: Engine
let run: RunCommand

beforeAll(async () => {
  database = await createTestDatabase()
  engine = createEngine(database, [greet, fail, wait], { pollIntervalMs: 20, heartbeatIntervalMs: 50 })
  engine.executor.start()
  // It claims once its types are registered.
  await engine.manager.waitFor((await engine.manager.createTask(greet)).taskId)
  run = commandOn(database)
})
afterAll(async () => {
  await engine.executor.stop()
  await database.drop()
})
beforeEach(() => {
  gate = createGate()
})
afterEach(() => gate.open())

const idOf = (out: string) => /task_[0-9a-f]+/.exec(out)?.[0] ?? 'none'

describe('create', () => {
  test('creates a task that an executor runs', async () => {
    const created = await run('create', 'cli_greet', '{"name":"Ada"}', '--priority', '7')
    expect(created).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^task_\w+ created\n$/) })
    const ended = await engine.manager.waitFor(idOf(created.out))
    expect(ended).toMatchObject({ result: 'hello Ada', priority: 7, params: { name: 'Ada' } })
  })

  test('prints the task as REST does with --json, and finds the holder of a unique key', async () => {
    const later = ['--run-at', '2099-01-01T00:00:00Z', '--unique-key', 'cli key', '--json']
    const first = jsonOf(await run('create', 'cli_greet', ...later))
    expect(first).toMatchObject({ created: true, status: 'pending', runAt: '2099-01-01T00:00:00.000Z' })
    expect(jsonOf(await run('create', 'cli_greet', ...later))).toMatchObject({
      created: false,
      taskId: first.taskId,
    })
    expect(await run('cancel', first.taskId)).toMatchObject({ code: 0 })
  })

  test.each<[string[], number, RegExp]>([
    [['create', 'cli_gree'], 1, /^UNKNOWN_TASK_TYPE: task type 'cli_gree' is not registered/],
    [['create', 'cli_greet', '{'], 2, /^INVALID_ARGUMENT: params must be a JSON object: /],
    [['create', 'cli_greet', '[]'], 2, /^INVALID_ARGUMENT: params: must be a JSON object/],
    [
      ['create', 'cli_greet', '{"ids":[9007199254740993]}'],
      2,
      /^INVALID_ARGUMENT: params: \/ids\/0 is an integer/,
    ],
    [['create', 'cli_greet', '{"id":1e400}'], 2, /^INVALID_ARGUMENT: params: \/id is an integer/],
    [['create', 'cli_greet', '--priority', 'high'], 2, /'--priority <number>'.*'high' is invalid.*a number/],
    [['create', 'cli_greet', '--priority', '101'], 2, /^INVALID_ARGUMENT: --priority: .*100/],
    [['create', 'cli_greet', '--run-at', 'soon'], 2, /^INVALID_ARGUMENT: --run-at: /],
    [['create', 'cli_greet', '--max-delay-ms', '5'], 2, /^INVALID_ARGUMENT: --max-delay-ms: /],
  ])('%j ends with %i and one sentence', async (args, code, message) => {
    const refused = await run(...args)
    expect(refused).toMatchObject({ code, out: '', err: expect.stringMatching(message) })
    expect(refused.err.trimEnd()).not.toContain('\n')
  })
})

test("create works where a foreign key binds creators to the server's users, and is audited", async () => {
  const bundled = await createTestDatabase('server')
  onTestFinished(() => bundled.drop())
  await bundled.pool.query(`insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms)
    values (gen_random_uuid(), 'host', 1, '1.0.0', 2, '{init_stocks}', 30000)`)
  const { taskId } = jsonOf(await commandOn(bundled)('create', 'init_stocks', '--json'))
  const { rows } = await bundled.pool.query(
    'select a.actor_id, a.subject, t.created_by from async_task_audit a join async_tasks t on t.task_id = a.subject',
  )
  expect(rows).toEqual([{ actor_id: 'cli:ada', subject: taskId, created_by: null }])
})

describe('list and show', () => {
  test('show one task and a filtered list, with no control characters of their errors', async () => {
    const { taskId } = await engine.manager.createTask(fail, { secret: '\u202egnp' })
    await engine.manager.waitFor(taskId)
    const list = await run('list', '--status', 'failed', '--task-type', 'cli_fail')
    expect(list.out).toMatch(/^TASK +TYPE +STATUS +PROGRESS +CREATED +ERROR\n/)
    expect(list.out).toContain(`${taskId}  cli_fail  failed`)
    const show = await run('show', taskId)
    expect(show.out).toContain('\\u001b[31mred\\u001b[0m\\npaper')
    expect(show.out).toContain('"\\u202egnp"')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be printed
    expect(list.out + show.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    expect(jsonOf(await run('show', taskId, '--json'))).toMatchObject({
      taskId,
      status: 'failed',
      attempts: [{}],
    })
  })

  test('pages by cursor', async () => {
    await engine.manager.createTasks([1, 2, 3].map(() => ({ task: greet, delayMs: 3_600_000 })))
    const page = (...more: string[]) => run('list', '--status', 'pending', '--page-size', '2', ...more)
    const first = jsonOf(await page('--json'))
    expect((await page()).out).toContain(`2 of 3; the next ones: --cursor ${first.nextCursor}`)
    const second = jsonOf(await page('--json', '--cursor', first.nextCursor))
    expect(second).toMatchObject({ tasks: [{}], nextCursor: null })
    expect((await run('list', '--created-by', 'nobody')).out).toBe('no task matches\n')
  })

  test.each<[string[], number, RegExp]>([
    [['show', 'task_none'], 1, /^TASK_NOT_FOUND: there is no task "task_none"/],
    [['show'], 2, /^INVALID_ARGUMENT: missing required argument 'task-id'/],
    [['list', 'more'], 2, /^INVALID_ARGUMENT: too many arguments/],
    [['list', '--status', 'done'], 2, /^INVALID_ARGUMENT: --status: .*"pending"/],
    [['list', '--page-size', '201'], 2, /^INVALID_ARGUMENT: --page-size: /],
    [['list', '--cursor', 'x'], 2, /^INVALID_ARGUMENT: .*cursor/],
  ])('%j ends with %i and one sentence', async (args, code, message) => {
    expect(await run(...args)).toMatchObject({ code, out: '', err: expect.stringMatching(message) })
  })
})

describe('logs', () => {
  test('prints a log, a line each', async () => {
    const { taskId } = await engine.manager.createTask(greet, { name: 'Bob' })
    await engine.manager.waitFor(taskId)
    const { out } = await run('logs', taskId)
    expect(out).toMatch(/^\S+Z INFO {4}greeting {"name":"Bob"}\n$/)
    expect(JSON.parse((await run('logs', taskId, '--json', '--level', 'INFO')).out)).toMatchObject({
      message: 'greeting',
    })
    expect((await run('logs', taskId, '--level', 'ERROR')).out).toBe('')
  })

  test('follows one until the task has ended', async () => {
    const { taskId } = await engine.manager.createTask(wait)
    const follow = commandOn(database, { onOut: (text) => text.includes('waiting') && gate.open() })
    const { code, out, err } = await follow('logs', '--follow', taskId)
    expect(out.match(/waiting|waited/g)).toEqual(['waiting', 'waited'])
    expect({ code, err }).toEqual({ code: 0, err: `${taskId} is completed\n` })
  })

  test('stops to follow when it is interrupted', async () => {
    const { taskId } = await engine.manager.createTask(wait)
    const stop = new AbortController()
    const follow = commandOn(database, { signal: stop.signal, onOut: () => stop.abort() })
    expect(await follow('logs', '--follow', taskId)).toMatchObject({ err: '' })
  })
})

describe('cancel, retry and delete', () => {
  test('change tasks by their ids, and name each that they could not change', async () => {
    const { taskId } = await engine.manager.createTask(greet, {}, { delayMs: 3_600_000 })
    const cancelled = await run('cancel', taskId, 'task_none')
    expect(cancelled).toMatchObject({ code: 1, err: 'TASK_NOT_FOUND: there is no task "task_none"\n' })
    expect(cancelled.out).toBe(`${taskId} cancelled\n1 task cancelled\n`)
    expect((await run('retry', taskId, '--from', 'nowhere')).err).toMatch(/^STEP_NOT_FOUND: /)
    expect((await run('retry', taskId, '--from', 'start')).out).toContain(`${taskId} pending again`)
    await engine.manager.waitFor(taskId)
    expect(jsonOf(await run('delete', taskId, '--json'))).toEqual({
      results: [{ taskId, ok: true }],
      more: false,
    })
    expect(await engine.manager.getTask(taskId)).toBeUndefined()
  })

  test('change those that a filter selects, or show which they would change', async () => {
    const tasks = [1, 2].map(() => ({ task: wait, delayMs: 3_600_000 }))
    const created = await engine.manager.createTasks(tasks)
    const args = ['cancel', '--task-type', 'cli_wait', '--status', 'pending']
    expect((await run(...args, '--dry-run')).out).toMatch(/2 tasks would be cancelled\n$/)
    expect((await engine.manager.getTask(created[0]?.taskId ?? ''))?.status).toBe('pending')
    expect((await run(...args)).out).toMatch(/2 tasks cancelled\n$/)
    expect((await engine.manager.getTask(created[0]?.taskId ?? ''))?.status).toBe('cancelled')
  })

  test('cancel the handler of another process at once', async () => {
    const { taskId } = await engine.manager.createTask(wait)
    await expect.poll(async () => (await engine.manager.getTask(taskId))?.status).toBe('running')
    expect(await run('cancel', taskId)).toMatchObject({ code: 0 })
    expect(await engine.manager.getTask(taskId)).toMatchObject({ status: 'cancelled' })
  })

  test.each<[string[], RegExp]>([
    [['cancel'], /name tasks by their ids, or select them .*, got neither/],
    [['delete', 'task_1', '--status', 'failed'], /not both/],
    [['retry', '--status', 'failed', '--from', 'start'], /--from needs task ids/],
  ])('%j is wrong usage', async (args, message) => {
    expect(await run(...args)).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) })
  })
})

describe('pause, resume and status', () => {
  test('a paused type is shown and starts no task', async () => {
    expect(await run('pause', 'cli_greet')).toMatchObject({ code: 0, out: 'cli_greet is paused\n' })
    const { taskId } = await engine.manager.createTask(greet)
    const status = await run('status')
    expect(status.out).toContain('paused types: cli_greet')
    expect(status.out).toMatch(/EXECUTOR +HOST.*\n\S+ .* yes /)
    const { stats, executors, paused } = jsonOf(await run('status', '--json'))
    expect({ paused, pending: stats.byStatus.pending > 0, executors }).toMatchObject({
      ...{ paused: ['cli_greet'], pending: true, executors: [{ alive: true }] },
    })
    expect((await run('resume', 'cli_greet')).out).toBe('cli_greet is not paused\n')
    expect(await engine.manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
  })

  test('an unknown type is refused', async () => {
    expect(await run('pause', 'cli_none')).toMatchObject({
      ...{ code: 1, err: expect.stringMatching(/^UNKNOWN_TASK_TYPE: /) },
    })
  })
})

test('schedules are listed, run, disabled and enabled', async () => {
  expect((await run('schedules', 'list')).out).toBe('there is no schedule\n')
  await engine.manager.createSchedule({
    name: 'yearly',
    cron: '0 0 1 1 *',
    task: greet,
    params: { name: 'Eve' },
  })
  expect((await run('schedules', 'list')).out).toMatch(/\nyearly +0 0 1 1 \* +UTC +cli_greet +yes /)
  const ran = jsonOf(await run('schedules', 'run', 'yearly', '--json'))
  expect(await engine.manager.waitFor(ran.taskId)).toMatchObject({ result: 'hello Eve' })
  expect((await run('schedules', 'disable', 'yearly')).out).toBe('yearly is disabled\n')
  expect(jsonOf(await run('schedules', 'list', '--json')).schedules).toMatchObject([{ enabled: false }])
  expect((await run('schedules', 'enable', 'yearly')).out).toBe('yearly is enabled\n')
  expect((await run('schedules', 'run', 'none')).err).toMatch(/^SCHEDULE_NOT_FOUND: /)
})

test('prune is in the audit once it has ended, and as refused while another process deletes', async () => {
  const entries = async () => {
    const { rows } = await database.pool.query(
      "select actor_id, subject, outcome from async_task_audit where action = 'task.prune' order by id",
    )
    return rows
  }
  await database.pool.query("delete from async_task_audit where action = 'task.prune'")
  await database.pool.query(
    `insert into async_task_duties (name, holder, until)
     values ('prune', gen_random_uuid(), now() + interval '1 minute')
     on conflict (name) do update set holder = excluded.holder, until = excluded.until`,
  )
  const prune = () => run('prune', '--older-than-days', '36000', '--task-type', 'cli_fail')
  expect(await prune()).toMatchObject({ code: 1, err: expect.stringContaining('TASK_BUSY') })
  const entry = { actor_id: 'cli:ada', subject: 'cli_fail' }
  expect(await entries()).toEqual([{ ...entry, outcome: 'TASK_BUSY' }])
  await database.pool.query("update async_task_duties set until = now() where name = 'prune'")
  expect(await prune()).toMatchObject({ code: 0 })
  expect((await entries()).slice(1)).toEqual([{ ...entry, outcome: 'ok' }])
})

test('prune deletes what ended long enough ago, of the types that it is given', async () => {
  await setImmediate()
  const two = await Promise.all([greet, fail].map((handler) => engine.manager.createTask(handler)))
  for (const { taskId } of two) await engine.manager.waitFor(taskId)
  await database.pool.query(
    `update async_tasks set created_at = now() - interval '9 days',
    completed_at = now() - interval '8 days' where task_id = any($1)`,
    [two.map(({ taskId }) => taskId)],
  )
  const counts = async () =>
    (await Promise.all(two.map(({ taskId }) => engine.manager.getTask(taskId)))).map(Boolean)
  expect((await run('prune', '--older-than-days', '9')).out).toBe('0 tasks deleted\n')
  expect((await run('prune', '--older-than-days', '7', '--task-type', 'cli_fail')).out).toBe(
    '1 task deleted\n',
  )
  expect(await counts()).toEqual([true, false])
  expect(jsonOf(await run('prune', '--older-than-days', '7', '--json'))).toEqual({ pruned: 1 })
  expect(await counts()).toEqual([false, false])
  expect(await run('prune')).toMatchObject({ code: 2, err: expect.stringContaining('--older-than-days') })
})
