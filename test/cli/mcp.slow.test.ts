import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { task } from '../../src/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createEngine, type Engine } from '../support/engine.ts'

const greet = task('mcp_greet')(({ name }, ctx) => {
  ctx.log.info('greeting')
  return `hello ${name}`
})

const SECRET = 'hunter2'

const leak = task('mcp_leak', { maxRetries: 0 })(async ({ password }, ctx) => {
  await ctx.step(`with ${password}`, () => 1)
  throw new Error('refused')
})

let database: TestDatabase
let engine: Engine

beforeAll(async () => {
  database = await createTestDatabase()
  engine = createEngine(database, [greet, leak], { pollIntervalMs: 20 })
  engine.executor.start()
  // It claims once its types are registered.
  await engine.manager.waitFor((await engine.manager.createTask(greet)).taskId)
})
afterAll(async () => {
  await engine.executor.stop()
  await database.drop()
})

function commandOf(...options: string[]) {
  const cwd = path.resolve(import.meta.dirname, '../..')
  const args = ['src/cli/bin.ts', 'mcp', '--schema', database.schema.name, ...options]
  const env = { DATABASE_URL: database.url, DATABASE_DIRECT_URL: database.directUrl }
  return { command: process.execPath, args, env, cwd }
}

async function connect(...options: string[]): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(new StdioClientTransport(commandOf(...options)))
  onTestFinished(() => client.close())
  return client
}

/** The text of an answer. */
async function call(client: Client, name: string, args: Record<string, unknown> = {}) {
  const { content, isError = false } = await client.callTool({ name, arguments: args })
  const [{ text }] = content as [{ text: string }]
  return { isError, text }
}

const READS = ['doctor', 'list_schedules', 'list_tasks', 'show_task', 'status', 'task_log']

test('without --allow-writes it has tools that read, and no other', async () => {
  const client = await connect()
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name).toSorted()).toEqual(READS)
  expect(tools.every(({ annotations }) => annotations?.readOnlyHint)).toBe(true)
  const { taskId } = await engine.manager.createTask(greet, { name: 'Ada' })
  await engine.manager.waitFor(taskId)
  const shown = await call(client, 'show_task', { taskId })
  expect(JSON.parse(shown.text)).toMatchObject({ taskId, status: 'completed', attempts: [{ attempt: 1 }] })
  expect(JSON.parse((await call(client, 'task_log', { taskId })).text)).toMatchObject({
    logs: [{ message: 'greeting' }],
  })
  const filter = { status: ['completed'], taskType: 'mcp_greet', pageSize: 1 }
  expect(JSON.parse((await call(client, 'list_tasks', filter)).text)).toMatchObject({ tasks: [{ taskId }] })
  expect(JSON.parse((await call(client, 'status')).text)).toMatchObject({ executors: [{ alive: true }] })
  expect(JSON.parse((await call(client, 'doctor')).text)).toHaveProperty('illnesses')
  expect(JSON.parse((await call(client, 'list_schedules')).text)).toEqual({ schedules: [] })
  expect(await call(client, 'show_task', { taskId: 'task_none' })).toEqual({
    isError: true,
    text: 'TASK_NOT_FOUND: there is no task "task_none"',
  })
  expect(await call(client, 'cancel_task', { taskId })).toMatchObject({ isError: true })
  expect((await call(client, 'list_tasks', { pageSize: 1_000 })).text).toMatch(
    /^INVALID_ARGUMENT: pageSize: /,
  )
})

test('it shows params, and what may hold them, with --with-params alone', async () => {
  const params = { password: SECRET }
  const { taskId } = await engine.manager.createTask(leak, params, {
    uniqueKey: `of ${SECRET}`,
  })
  await engine.manager.waitFor(taskId)
  await engine.manager.createSchedule({ name: 'leaks', cron: '0 0 1 1 *', task: leak, params })
  onTestFinished(() => engine.manager.deleteSchedule('leaks'))
  const [careful, open] = [await connect('--allow-writes'), await connect('--with-params')]
  const calls = [
    ['show_task', { taskId }],
    ['list_tasks', { taskType: 'mcp_leak' }],
    ['list_schedules', {}],
  ] as const
  for (const [name, args] of calls) {
    const { text } = await call(careful, name, args)
    expect(text).toContain('mcp_leak')
    expect(text).not.toMatch(/hunter2|"(params|paramsPreview|result|stack|steps|uniqueKey|concurrencyKey)"/)
    expect((await call(open, name, args)).text).toContain(SECRET)
  }
  expect((await call(careful, 'show_task', { taskId })).text).toContain('refused')
  expect(JSON.parse((await call(open, 'show_task', { taskId })).text)).toMatchObject({
    ...{ params, attempts: [{ stack: expect.stringContaining('mcp.slow.test') }] },
  })
  expect((await call(careful, 'retry_task', { taskId })).text).not.toContain(SECRET)
  const ran = await call(careful, 'run_schedule', { name: 'leaks' })
  expect(ran).toMatchObject({ isError: false, text: expect.not.stringContaining(SECRET) })
  const created = await call(careful, 'create_task', { taskType: 'mcp_leak', params })
  expect(created).toMatchObject({ isError: false, text: expect.not.stringContaining(SECRET) })
})

test('requests that come with the end of the input are answered', async () => {
  const { command, args, ...options } = commandOf()
  const running = promisify(execFile)(command, args, options)
  const client = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } }
  const requests = [
    { id: 1, method: 'initialize', params: client },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/call', params: { name: 'status', arguments: {} } },
    { id: 3, method: 'tools/call', params: { name: 'doctor', arguments: {} } },
  ]
  const lines = requests.map((request) => JSON.stringify({ jsonrpc: '2.0', ...request }))
  running.child.stdin?.end(`${lines.join('\n')}\n`)
  const responses = (await running).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(responses.map(({ id }) => id).toSorted()).toEqual([1, 2, 3])
  expect(responses.every(({ result }) => result !== undefined && result.isError !== true)).toBe(true)
})

test('it cuts a long answer, and says so', async () => {
  const { taskId } = await engine.manager.createTask(
    greet,
    { name: 'x'.repeat(60_000) },
    { delayMs: 3_600_000 },
  )
  const { text } = await call(await connect('--with-params'), 'show_task', { taskId })
  expect(text.length).toBeLessThan(50_200)
  expect(text).toMatch(/x\n\[cut: \d+ of 6\d{4} characters are left out; ask for fewer tasks or lines\]$/)
})

test('with --allow-writes it changes tasks by the rules of REST', async () => {
  const client = await connect('--allow-writes')
  const runAt = '2099-01-01T00:00:00Z'
  const created = await call(client, 'create_task', { taskType: 'mcp_greet', params: { name: 'Bob' }, runAt })
  const { taskId } = JSON.parse(created.text)
  expect(JSON.parse((await call(client, 'cancel_task', { taskId })).text)).toMatchObject({
    status: 'cancelled',
  })
  expect(JSON.parse((await call(client, 'pause_type', { taskType: 'mcp_greet' })).text)).toMatchObject({
    paused: true,
  })
  expect(JSON.parse((await call(client, 'retry_task', { taskId })).text)).toMatchObject({ status: 'pending' })
  expect((await call(client, 'delete_task', { taskId })).text).toMatch(/^TASK_NOT_FINISHED: /)
  expect(JSON.parse((await call(client, 'resume_type', { taskType: 'mcp_greet' })).text)).toMatchObject({
    paused: false,
  })
  expect(await engine.manager.waitFor(taskId)).toMatchObject({ result: 'hello Bob' })
  expect(JSON.parse((await call(client, 'delete_task', { taskId })).text)).toEqual({ deleted: taskId })
  expect((await call(client, 'create_task', { taskType: 'mcp_gree' })).text).toMatch(/^UNKNOWN_TASK_TYPE: /)
  const changed = { taskType: 'mcp_greet', params: { ids: [9_007_199_254_740_992] } }
  expect((await call(client, 'create_task', changed)).text).toMatch(
    /^INVALID_ARGUMENT: params: "0" is an integer/,
  )
  expect((await call(client, 'run_schedule', { name: 'none' })).text).toMatch(/^SCHEDULE_NOT_FOUND: /)
})
