import type { InjectOptions } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { SOME_EXECUTOR } from '../support/task-rows.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
const types = [
  task('report', { params: z.object({ userId: z.int().optional() }) })(() => 'fine'),
  task('hiding', { redact: ['password', 'card.number'] })(() => 'fine'),
  task('throwing_default', {
    params: z.object({
      n: z.string().default(() => {
        throw new Error('not now')
      }),
    }),
  })(() => {}),
]

let server: BundledServer
beforeAll(async () => {
  server = await startBundledServer({ tasks: types, env: { TASK_POLL_INTERVAL_MS: '50' } })
})
afterAll(() => server.close())

const call = (method: NonNullable<InjectOptions['method']>, path: string, payload?: object) =>
  server.asAdmin({ method, url: `/api/admin${path}`, ...(payload ? { payload } : {}) })
const sql = (text: string, values: unknown[] = []) => server.database.pool.query(text, values)

async function insert(table: string, row: Readonly<Record<string, unknown>>): Promise<void> {
  const names = Object.keys(row)
  const places = names.map((_, i) => `$${i + 1}`).join(', ')
  await sql(`insert into ${table} (${names.join(', ')}) values (${places})`, Object.values(row))
}

const DEEP = '['.repeat(20_000) + ']'.repeat(20_000)

describe('a schedule with', () => {
  beforeEach(async () => {
    await sql('delete from async_task_schedules')
    await sql('alter table async_task_schedules drop constraint if exists async_task_schedules_missed_check')
  })

  const past = '2024-01-01T00:00:00Z'
  const sound = {
    name: 'odd',
    cron: '0 0 1 1 *',
    time_zone: 'UTC',
    task_type: 'report',
    missed: 'once',
    next_run_at: past,
  }

  test.for<[string, Record<string, unknown>, RegExp | null]>([
    ['params that are no JSON', { params: '{"userId":' }, /INVALID_PARAMS.*not a JSON object/],
    ['params that are a list', { params: '[1]' }, /INVALID_PARAMS.*not a JSON object/],
    ['params that are null', { params: 'null' }, /INVALID_PARAMS.*not a JSON object/],
    ['params that are empty text', { params: '' }, /INVALID_PARAMS.*not a JSON object/],
    ['params that are too deep', { params: `{"a":${DEEP}}` }, /INVALID_PARAMS.*nested deeper/],
    ['params with a key __proto__', { params: '{"__proto__":1}' }, /INVALID_PARAMS.*__proto__/],
    ['params that do not fit the type', { params: '{"userId":"x"}' }, /INVALID_PARAMS.*userId/],
    ['a time zone that does not exist', { time_zone: 'Mars/Olympus' }, /"Mars\/Olympus" is no time zone/],
    ['an empty time zone', { time_zone: '' }, /no time zone/],
    ['a cron that is none', { cron: 'never' }, /"never" is no cron expression/],
    ['a cron that never fires', { cron: '0 0 31 2 *' }, null],
    ['a next tick at infinity', { next_run_at: 'infinity' }, /no next tick/],
    ['a next tick at -infinity', { next_run_at: '-infinity' }, /no next tick/],
    ['a next tick before Christ', { next_run_at: '0044-03-15 BC' }, /no next tick/],
    ['a next tick that no Date holds', { next_run_at: '290000-01-01' }, /no next tick/],
    ['no next tick', { next_run_at: null }, /no next tick/],
    ['a broken cron and no next tick', { cron: 'never', next_run_at: null }, /"never"/],
    ['a last tick at infinity', { last_run_at: 'infinity' }, null],
    ['instants at infinity', { created_at: 'infinity', updated_at: '-infinity' }, null],
    ['a missed value of another version', { missed: 'weekly' }, /missed: expected one of/],
    ['a type that no process has', { task_type: '' }, /INVALID_ARGUMENT/],
    ['a name that needs escapes', { name: 'a b/%2F?"', params: '!' }, /INVALID_PARAMS/],
  ])(
    '%s costs itself alone, is listed with what is wrong, and can be repaired and deleted',
    async ([, columns, fault]) => {
      const odd = { ...sound, ...columns }
      await insert('async_task_schedules', odd)
      // A type of no process is judged after a lease.
      const isKnown = odd.task_type !== ''
      for (const name of ['aaa', 'zzz']) await insert('async_task_schedules', { ...sound, name })
      // Any change wakes the scheduler.
      const waking = { name: 'waking', cron: '@yearly', taskType: 'report' }
      expect((await call('POST', '/schedules', waking)).statusCode).toBe(201)
      const list = async () =>
        (await call('GET', '/schedules')).json<{ schedules: Record<string, unknown>[] }>().schedules
      await expect
        .poll(async () => {
          const ticked = (await list()).filter(({ lastTaskId }) => lastTaskId !== null)
          return ticked.map(({ name }) => name)
        })
        .toEqual(expect.arrayContaining(['aaa', 'zzz']))
      if (fault !== null && isKnown) {
        await expect
          .poll(async () => (await list()).find(({ name }) => name === odd.name)?.lastError)
          .toMatch(fault)
      }
      const path = `/schedules/${encodeURIComponent(odd.name)}`
      expect((await call('GET', path)).json()).toMatchObject({ name: odd.name })
      expect((await call('POST', `${path}/run`)).statusCode).toBeLessThan(500)
      expect((await call('PATCH', path, { enabled: false })).json()).toMatchObject({ enabled: false })
      const repair = {
        cron: '0 0 1 1 *',
        timeZone: 'UTC',
        taskType: 'report',
        params: { userId: 7 },
        missed: 'skip',
        enabled: true,
      }
      const repaired = await call('PATCH', path, repair)
      expect(repaired.json()).toMatchObject({ ...repair, lastError: null, nextRunAt: expect.any(String) })
      expect((await call('DELETE', path)).statusCode).toBe(204)
      expect((await call('GET', path)).statusCode).toBe(404)
    },
  )

  test('a next tick at infinity is repaired by the same cron, and by the declaring code', async () => {
    await insert('async_task_schedules', { ...sound, next_run_at: 'infinity' })
    const patched = await call('PATCH', '/schedules/odd', { cron: sound.cron })
    expect(patched.json()).toMatchObject({ lastError: null, nextRunAt: expect.stringMatching(/^20/) })
    await sql(`update async_task_schedules set next_run_at = 'infinity', declared = true`)
    await server.app.tasks.declareSchedules([{ name: 'odd', cron: sound.cron, task: 'report', params: {} }])
    expect((await call('GET', '/schedules/odd')).json()).toMatchObject({
      lastError: null,
      nextRunAt: expect.stringMatching(/^20/),
    })
  })

  test('params that are no JSON, changed in part, is refused by name', async () => {
    await insert('async_task_schedules', { ...sound, params: '{"userId":' })
    const patched = await call('PATCH', '/schedules/odd', { cron: '@daily' })
    expect(patched.statusCode).toBe(400)
    expect(patched.json()).toMatchObject({ code: 'INVALID_PARAMS' })
    expect((await call('POST', '/schedules/odd/run')).json()).toMatchObject({ code: 'INVALID_PARAMS' })
  })
})

describe('a task with', () => {
  const ended = {
    task_type: 'report',
    status: 'completed',
    attempt: 1,
    started_at: '2024-01-01',
    completed_at: '2024-01-01',
  }
  const param = (value: string) => ({ table: 'async_task_params', row: { key: 'k', value } })
  const attempt = (row: object) => ({
    table: 'async_task_attempts',
    row: { attempt: 7, started_at: '2024-01-01', outcome: 'failed', ...row },
  })
  const line = (row: object) => ({
    table: 'async_task_logs',
    row: { level: 'INFO', message: 'm', ...row },
  })

  test.for<[string, object, { table: string; row: object }[], object]>([
    ['a result that is no JSON', { result: 'not json' }, [], { result: 'not json' }],
    ['a result that is too deep', { result: DEEP }, [], { result: DEEP }],
    ['a param that is no JSON', {}, [param('{"a":')], { params: { k: '{"a":' } }],
    ['a param that is empty', {}, [param('')], { params: { k: '' } }],
    ['a param that is too deep', {}, [param(DEEP)], { params: { k: DEEP } }],
    ['an outcome of another version', {}, [attempt({ outcome: 'paused' })], { attempts: [{}, {}] }],
    ['an attempt at infinity', {}, [attempt({ ended_at: 'infinity', started_at: '-infinity' })], {}],
    ['an attempt below 1', { attempt: -1 }, [attempt({ attempt: -5 })], {}],
    ['a line whose data is no JSON', {}, [line({ data: '{' })], {}],
    ['a line whose data is too deep', {}, [line({ data: DEEP })], {}],
    ['a line at infinity', {}, [line({ created_at: 'infinity' })], {}],
  ])('%s is shown wherever it is read, with all others', async ([, columns, parts, shown]) => {
    const taskId = `task_odd${Math.random().toString(36).slice(2)}`
    await insert('async_tasks', { ...ended, ...columns, task_id: taskId })
    for (const { table, row } of parts) await insert(table, { task_id: taskId, ...row })
    await insert('async_task_logs', { task_id: taskId, level: 'INFO', message: 'sound' })
    const path = `/tasks/${taskId}`
    const detail = await call('GET', path)
    expect(detail.statusCode).toBe(200)
    expect(detail.json()).toMatchObject({ taskId, ...shown })
    const logs = await call('GET', `${path}/logs`)
    expect(logs.json().logs.at(-1)).toMatchObject({ message: 'sound' })
    const events = await call('GET', `${path}/events`)
    expect(events.body).toMatch(/event: log.*sound.*event: end/s)
    expect((await call('GET', '/tasks')).json().tasks).toContainEqual(expect.objectContaining({ taskId }))
    const other = (await call('POST', '/tasks', { taskType: 'report' })).json().taskId
    const bulk = { action: 'retry', taskIds: [taskId, other] }
    expect((await call('POST', '/tasks/bulk', bulk)).statusCode).toBe(200)
    expect((await call('GET', path)).statusCode).toBe(200)
    await expect.poll(async () => (await call('GET', path)).json().status).toMatch(/completed|failed/)
    expect((await call('DELETE', path)).statusCode).toBe(204)
  })

  test('redacted params that are no JSON shows nothing of them', async () => {
    await insert('async_tasks', { ...ended, task_type: 'hiding', task_id: 'task_secret' })
    const texts = { password: '"Sesame-4711', card: '{"number":"4111-2222"' }
    for (const [key, value] of Object.entries(texts)) {
      await insert('async_task_params', { task_id: 'task_secret', key, value })
    }
    // Only now may an executor claim it.
    await sql(`update async_tasks set status = 'pending', completed_at = null where task_id = 'task_secret'`)
    await expect.poll(async () => (await call('GET', '/tasks/task_secret')).json().status).toBe('failed')
    const detail = await call('GET', '/tasks/task_secret')
    expect(detail.json()).toMatchObject({
      error: expect.stringMatching(/INVALID_PARAMS.*not JSON/),
      retryCount: 0,
    })
    const all = [
      detail,
      await call('GET', '/tasks/task_secret/logs'),
      await call('GET', '/tasks/task_secret/events'),
    ]
    for (const { body } of all) expect(body).not.toMatch(/Sesame|4111/)
  })
})

describe('GET', () => {
  const executor = {
    executor_id: SOME_EXECUTOR,
    host: 'h',
    pid: -1,
    version: '',
    slots: -1,
    task_types: ['other'],
    lease_ms: 30_000,
  }
  afterEach(() => sql('delete from async_task_executors where executor_id = $1', [SOME_EXECUTOR]))

  test.for<[string, object]>([
    ['types that are null', { task_types: ['a', null] }],
    ['no types', { task_types: [] }],
    [
      'types in lists',
      {
        task_types: [
          ['a', 'b'],
          ['c', 'd'],
        ],
      },
    ],
    ['stuck tasks that are null', { stuck: [null, 'task_a'] }],
    ['a heartbeat at infinity', { heartbeat_at: 'infinity' }],
    ['a heartbeat at -infinity', { heartbeat_at: '-infinity' }],
    ['a heartbeat before Christ', { heartbeat_at: '4000-01-01 BC' }],
    ['a start at infinity', { started_at: 'infinity' }],
    ['a start at -infinity', { started_at: '-infinity' }],
    ['a negative lease', { lease_ms: -1 }],
    ['the longest lease', { lease_ms: 2_147_483_647 }],
  ])('/executors, /task-types and /tasks/stats: an executor with %s hides no other', async ([, columns]) => {
    await insert('async_task_executors', { ...executor, ...columns })
    await sql(
      `insert into async_tasks (task_id, task_type, run_at) values ('task_waits', 'nobody_has', '2024-01-01')`,
    )
    const executors = await call('GET', '/executors')
    expect(executors.statusCode).toBe(200)
    expect(executors.json().executors.length).toBe(2)
    expect((await call('GET', '/task-types')).json().taskTypes.length).toBeGreaterThan(types.length)
    // The counts are kept for a second.
    await expect
      .poll(async () => (await call('GET', '/tasks/stats')).json().byType)
      .toContainEqual(expect.objectContaining({ taskType: 'nobody_has', waitingFor: 'executor' }))
    await sql(`delete from async_tasks where task_id = 'task_waits'`)
  })

  test('/tasks/stats: minutes with odd counts fail nothing', async () => {
    await sql(
      `insert into async_task_minutes (minute, source, completed, failed)
       select minute, gen_random_uuid(), 2147483647, -5
         from unnest(array['infinity', '-infinity', date_trunc('minute', now(), 'UTC'), date_trunc('minute', now(), 'UTC')]::timestamptz[]) minute`,
    )
    const counts = async (): Promise<{ completed: number; failed: number }[]> =>
      (await call('GET', '/tasks/stats')).json().finishedPerMinute
    await expect
      .poll(async () => Math.max(...(await counts()).map(({ completed }) => completed)))
      .toBeGreaterThanOrEqual(2 * 2_147_483_647)
    expect((await counts()).filter(({ failed }) => failed < 0)).toEqual([])
  })

  test('/task-types: a schema without a form as JSON Schema hides no other type', async () => {
    const { taskTypes } = (await call('GET', '/task-types')).json()
    const params = new Map(
      taskTypes.map((type: { taskType: string; params: object }) => [type.taskType, type.params]),
    )
    expect(params.get('report')).toMatchObject({ properties: { userId: {} } })
    expect(params.get('throwing_default')).toMatchObject({
      description: expect.stringMatching(/no form as JSON Schema: not now/),
    })
  })
})
