import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { unknownType } from '../../../src/engine/create/known-types.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { typedTasks } from '../../../src/engine/manager/typed-tasks.ts'
import { drainTasks, runTask, waitForTask } from '../../../src/testing/index.ts'
import { captureStatements } from '../../support/plans.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const report = task('report', { params: z.object({ userId: z.int() }) })(() => {})
const plain = task('plain')(() => {})
const create = () => tables.createManager([report, plain]).manager

/** As JavaScript may call it. */
// biome-ignore lint/suspicious/noExplicitAny: what TypeScript would refuse is what is tried
const loose = () => create() as any

const refused = (...parts: string[]) =>
  expect.objectContaining({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(new RegExp(parts.join('[^]*'))),
  })

describe('an option that does not exist is named, with the nearest one and all known ones', () => {
  test.each<[string, object, string[]]>([
    ['a letter', { maxRetry: 3 }, ['maxRetry is not', 'did you mean maxRetries\\?', 'known: .*redact']],
    ['another unit', { timeoutMs: 3 }, ['timeoutMs is not', 'did you mean timeoutSeconds\\?']],
    ['another case', { Priority: 3 }, ['did you mean priority\\?']],
    ['nothing near', { zzz: undefined }, ['zzz is not a known option \\(known']],
    ['inside retry', { retry: { maxDelayMs: 3 } }, ['retry: maxDelayMs is not', 'known: baseMs']],
    ['a module without a thread', { module: new URL('file:///x.js') }, ["module needs run: 'thread'"]],
    ['another way to run', { run: 'threads', module: new URL('file:///x.js') }, ["run must be 'thread'"]],
  ])('of task(): %s', (_name, options, parts) => {
    expect(() => createTaskRegistry().task('t', options)).toThrow(refused(...parts))
  })

  test.each<[string, (manager: ReturnType<typeof loose>) => unknown, string[]]>([
    ['createTask', (tasks) => tasks.createTask(plain, {}, { maxRetry: 1 }), ['maxRetry', 'maxRetries\\?']],
    ['createTask', (tasks) => tasks.createTask(plain, {}, { params: {} }), ['params is an argument']],
    ['createTask', (tasks) => tasks.createTask(plain, {}, null), ['must be an object']],
    ['createTasks', (tasks) => tasks.createTasks([{ task: plain, parms: {} }]), ['parms', 'params\\?']],
    ['createTasks', (tasks) => tasks.createTasks([{ task: plain, tx: {} }]), ['tx is not a known']],
    ['createTasks', (tasks) => tasks.createTasks([plain]), ['must be an object such as']],
    ['createTasks', (tasks) => tasks.createTasks(), ['expected array']],
    ['createTasks', (tasks) => tasks.createTasks([], { txn: {} }), ['txn', 'tx\\?']],
    [
      'listTasks',
      (tasks) => tasks.listTasks({ state: 'completed' }),
      ['state', 'status\\?', 'known: .*cursor'],
    ],
    ['listTasks', (tasks) => tasks.listTasks({ limit: 3 }), ['limit is not a known option']],
    ['listTasks', (tasks) => tasks.listTasks(null), ['expected object']],
    ['listLogs', (tasks) => tasks.listLogs('task_1', { levels: 'INFO' }), ['levels', 'level\\?']],
    ['waitFor', (tasks) => tasks.waitFor('task_1', { timeoutSeconds: 1 }), ['timeoutMs\\?']],
    ['waitFor', (tasks) => tasks.waitFor('task_1', { signal: {} }), ['/signal']],
    ['waitFor', (tasks) => tasks.waitFor('task_1', { task: () => 1 }), ['/task', 'passed to task\\(\\)']],
    ['bulk', (tasks) => tasks.bulk({ action: 'cancel', filter: {}, dryrun: true }), ['dryrun', 'dryRun\\?']],
    [
      'bulk',
      (tasks) => tasks.bulk({ action: 'cancel', filter: { state: 'x' } }),
      ['/filter: state', 'status\\?'],
    ],
    [
      'createSchedule',
      (tasks) => tasks.createSchedule({ name: 'a', cron: '@daily', task: plain, timezone: 'UTC' }),
      ['timezone', 'timeZone\\?', 'known: name, cron'],
    ],
    ['createSchedule', (tasks) => tasks.createSchedule(), ['expected object']],
    ['updateSchedule', (tasks) => tasks.updateSchedule('a', { schedule: '@daily' }), ['schedule is not']],
    ['runSchedule', (tasks) => tasks.runSchedule('a', { createdby: 'me' }), ['createdBy\\?']],
    ['drainTasks', (tasks) => drainTasks(tasks, { timeout: 1 } as never), ['timeout', 'timeoutMs\\?']],
    ['waitForTask', (tasks) => waitForTask(tasks, plain, {}, { timeout: 1 } as never), ['timeoutMs\\?']],
    ['runTask', () => runTask(plain, {}, { attempts: 2 } as never), ['attempts', 'attempt\\?']],
  ])('of %s: %s', async (_name, call, parts) => {
    await expect(Promise.resolve().then(() => call(loose()))).rejects.toEqual(refused(...parts))
    expect((await tables.read()).tasks).toEqual([])
  })

  test('of ctx.createTask in a unit test', async () => {
    const parent = task('parent')((_params, ctx) => ctx.createTask(plain, {}, { maxRetry: 1 } as never))
    expect((await runTask(parent, {})).error).toEqual(refused('maxRetry', 'maxRetries\\?'))
  })
})

test.each<[object, string]>([
  [{ priority: 1.5 }, '/priority'],
  [{ priority: Number.NaN }, '/priority'],
  [{ maxRetries: '3' }, '/maxRetries'],
  [{ maxRetries: -1 }, '/maxRetries'],
  [{ timeoutSeconds: Number.POSITIVE_INFINITY }, '/timeoutSeconds'],
  [{ runAt: new Date('tomorrow') }, '/runAt'],
  [{ runAt: '2030-01-01' }, '/runAt'],
  [{ delayMs: 1, runAt: new Date('2030-01-01') }, '/delayMs: give either'],
])('createTask refuses %o', async (options, part) => {
  await expect(loose().createTask(plain, {}, options)).rejects.toEqual(refused(part))
})

test.each<[object, string]>([
  [{ retentionDays: '30' }, 'retentionDays must be a number from 0 to 36500, got "30"'],
  [{ maxRetries: null }, 'maxRetries must be an integer from 0 to 100, got null'],
  [{ concurrency: Number.NaN }, 'concurrency must be an integer from 1 to 10000, got NaN'],
  [{ timeoutSeconds: () => 5 }, 'timeoutSeconds .* got a function'],
  [{ rateLimit: { perSeconds: 1 } }, 'rateLimit: max must be an integer from 1 to 10000, got null'],
  [{ rateLimit: { max: 1 } }, 'rateLimit: perSeconds must be a number from 0.1 to 2592000, got undefined'],
  [{ rateLimit: { max: 1, perSeconds: 1, key: 'id' } }, 'rateLimit: key must be a function of the params'],
])('task() refuses %o', (options, part) => {
  expect(() => createTaskRegistry().task('t', options)).toThrow(refused(part))
})

test.each([-1, 36_501, Number.NaN, Number.POSITIVE_INFINITY])(
  'a type is not kept for %s days',
  (retentionDays) => {
    expect(() => createTaskRegistry().task('a', { retentionDays })).toThrow(
      `retentionDays must be a number from 0 to 36500, got`,
    )
  },
)

describe('params of task()', () => {
  test.each<[string, unknown, string]>([
    ['a string', z.string(), 'a schema of an object .* of type string'],
    ['a list', z.array(z.object({})), 'of type array'],
    ['nothing', z.null(), 'of type null'],
    ['a union of texts', z.union([z.string(), z.literal('x')]), 'of type union'],
    ['an optional number', z.number().optional(), 'of type optional'],
    ['text that becomes an object', z.string().transform((text) => ({ text })), 'of type pipe'],
    ['an object that becomes a text', z.object({}).pipe(z.string() as never), 'of type pipe'],
    ['a half of an intersection', z.intersection(z.object({}), z.string()), 'of type intersection'],
    ['a shape', { userId: z.int() }, 'an object of schemas: wrap it in z.object\\(\\)'],
    ['an object', { type: 'object' }, 'an object that is no schema'],
    ['a text', 'object', 'got a string'],
    ['a class', Readable, 'got a function'],
    ['null', null, 'got null'],
    [
      'half a standard',
      { '~standard': { vendor: 'valibot', version: 1 } },
      'a schema of valibot without version 1',
    ],
    [
      'another standard',
      { '~standard': { vendor: 'x', version: 2, validate() {} } },
      'a schema of x without',
    ],
    ['TypeBox', Type.Object({}), 'a JSON Schema, such as one of TypeBox: wrap it'],
    ['zod 3', { _def: {} }, 'a schema of zod 3: update zod'],
  ])('cannot be a schema of %s', (_name, params, part) => {
    const given = { params } as never
    expect(() => createTaskRegistry().task('t', given)).toThrow(refused('params must be', part))
  })

  test.each<[string, unknown]>([
    ['an object', z.object({})],
    ['a record', z.record(z.string(), z.unknown())],
    ['a union with an object', z.union([z.string(), z.object({})])],
    ['kinds of objects', z.discriminatedUnion('a', [z.object({ a: z.literal(1) })])],
    ['an object that is transformed', z.object({}).transform((all) => all)],
    ['an object that is prepared', z.preprocess((all) => all, z.object({}))],
    ['an object with an async check', z.object({}).refine(async () => true)],
    ['an object with a default', z.object({}).default({})],
    ['an intersection', z.intersection(z.object({}), z.looseObject({}))],
    ['anything', z.any()],
    ['a lazy one', z.lazy(() => z.object({}))],
    ['one of code', z.custom(() => true)],
  ])('may be a schema of %s', (_name, params) => {
    expect(createTaskRegistry().task('t', { params } as never)).toBeTypeOf('function')
  })
})

describe('a task() that was not given its handler', () => {
  const half = createTaskRegistry().task('half', {}) as unknown as AnyTask
  const message = "task('half', …) was not given its handler: task('half', …)(async (params, ctx) => …)"
  const saysSo = expect.objectContaining({ code: 'INVALID_ARGUMENT', message })

  test('is no handler, wherever one is expected', async () => {
    const registry = createTaskRegistry()
    expect(() => registry.add(half)).toThrow(saysSo)
    expect(() => typedTasks(create(), [half])).toThrow(saysSo)
    await expect(create().createTask(half, {})).rejects.toEqual(saysSo)
    await expect(create().createTasks([{ task: half }])).rejects.toEqual(saysSo)
    await expect(create().createSchedule({ name: 'a', cron: '@daily', task: half })).rejects.toEqual(saysSo)
    await expect(runTask(half, {})).rejects.toEqual(saysSo)
    expect(() => registry.task('other')(half as never)).toThrow(refused('what another task\\(\\) returned'))
  })

  test('nor is any other value, whose source is not quoted', () => {
    const add = (value: unknown) => () => createTaskRegistry().add(value as AnyTask)
    expect(add(() => 'secret')).toThrow(refused('^an unnamed function was never passed to task'))
    expect(add({ secret: 1 })).toThrow(refused('^expected a handler .* got a value of type object'))
    expect(add(undefined)).toThrow(refused('got undefined'))
  })

  test('may have got it, or other things, in the wrong place', () => {
    const { task: loosely } = createTaskRegistry() as unknown as {
      task: (...all: unknown[]) => (handler?: unknown) => void
    }
    expect(() => loosely('t', async () => {})).toThrow(refused('second pair of parentheses'))
    expect(() => loosely('t', null)).toThrow(refused('options must be an object, got null'))
    expect(() => loosely({ type: 't' })).toThrow(refused('task type an object must be'))
    expect(() => loosely('t')(async function* () {})).toThrow(refused('no generator'))
    const thread = { run: 'thread', module: new URL('file:///x.js') }
    expect(() => loosely('t', thread)(() => 1)).toThrow(refused('takes no handler'))
  })
})

describe('a name that neither this app nor any executor of the last day knows', () => {
  const unknown = (...parts: string[]) =>
    expect.objectContaining({
      code: 'UNKNOWN_TASK_TYPE',
      message: expect.stringMatching(new RegExp(parts.join('[^]*'))),
    })

  test('is refused, with the nearest name', async () => {
    const tasks = create()
    await expect(tasks.createTask('reprot', {})).rejects.toEqual(
      unknown("'reprot'", 'did you mean report\\?'),
    )
    const items = [{ task: plain }, { task: 'nobody' }]
    await expect(tasks.createTasks(items)).rejects.toEqual(unknown("'nobody'", 'report, plain'))
    const schedule = { name: 'a', cron: '@daily', task: 'nobody' }
    await expect(tasks.createSchedule(schedule)).rejects.toEqual(unknown("'nobody'"))
    await expect(tasks.declareSchedules([schedule])).rejects.toEqual(unknown("'nobody'"))
    await tasks.createSchedule({ ...schedule, task: plain })
    await expect(tasks.updateSchedule('a', { task: 'nobody' })).rejects.toEqual(unknown("'nobody'"))
    expect((await tables.read()).tasks).toEqual([])
  })

  test('is refused in a short sentence, however many types there are', async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => `tenant_${i}_${'x'.repeat(80)}`)
    const { message, problems } = unknownType('tenant_1_y', many)
    expect(message).toContain('and 4980 more')
    expect(message.length + JSON.stringify(problems).length).toBeLessThan(6_000)
    expect(unknownType('tenamt_7', ['other', 'tenant_7']).message).toContain('did you mean tenant_7?')
  })

  test('is refused in a transaction too, which may go on', async () => {
    const client = await tables.pool.connect()
    try {
      await client.query('begin')
      await expect(create().createTask('nobody', {}, { tx: client })).rejects.toEqual(unknown("'nobody'"))
      await create().createTask(plain, {}, { tx: client })
      await client.query('commit')
    } finally {
      client.release()
    }
    expect((await tables.read()).tasks).toMatchObject([{ task_type: 'plain' }])
  })

  test('is one whose executors have all been away for a day', async () => {
    await rememberTypes(tables.pool, 'elsewhere')
    await create().createTask('elsewhere')
    await tables.pool.query(`update async_task_executors set heartbeat_at = now() - interval '25 hours'`)
    await expect(create().createTask('elsewhere')).rejects.toEqual(unknown("'elsewhere'"))
  })

  test('costs a query; a known one costs one a minute, and one of this app none', async () => {
    await rememberTypes(tables.pool, 'elsewhere')
    const tasks = create()
    const count = async (work: () => Promise<unknown>) => (await captureStatements(tables.pool, work)).length
    expect(await count(() => tasks.createTask('plain'))).toBe(1)
    expect(await count(() => tasks.createTask(plain))).toBe(1)
    expect(await count(() => tasks.createTask('elsewhere'))).toBe(2)
    expect(await count(() => tasks.createTask('elsewhere'))).toBe(1)
    expect(await count(() => tasks.createTask('nobody').catch(() => {}))).toBe(1)
  })
})
