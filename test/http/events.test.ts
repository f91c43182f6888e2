import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskDetail } from '../../src/contract/task.ts'
import { createTaskRegistry } from '../../src/tasks/registry.ts'
import { createGate } from '../support/engine.ts'
import { openEvents } from '../support/event-source.ts'
import { ADMIN, type BundledServer, logIn, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
let gate = createGate()
const talk = task('talk')(async (_params, ctx) => {
  ctx.log.info('before', { n: 1 })
  ctx.progress(1, 2, 'half')
  await gate.opened
  ctx.log.warn('after')
})

let server: BundledServer
let address: string
let headers: Record<string, string>

beforeAll(async () => {
  server = await startBundledServer({ tasks: [talk] })
  address = `${await server.app.listen({ port: 0, host: '127.0.0.1' })}/api/admin`
  headers = { authorization: `Bearer ${await logIn(server.app, ADMIN)}` }
})
afterAll(() => server.close())

const nameAndData = (events: { event: string; data: string }[]) =>
  events.map(({ event, data }) => [event, JSON.parse(data)] as const)

describe('the stream of a task', () => {
  test('shows the task, its log and its end, and closes', async () => {
    gate = createGate()
    const { taskId } = await server.app.tasks.createTask(talk)
    await using stream = await openEvents(`${address}/tasks/${taskId}/events`, headers)
    expect(stream.response.status).toBe(200)
    expect(Object.fromEntries(stream.response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    const awaited = new Set(['"before"', '"half"'])
    const first = await stream.until(({ data }) => {
      for (const text of awaited) if (data.includes(text)) awaited.delete(text)
      return awaited.size === 0
    })
    gate.open()
    const rest = nameAndData(await stream.rest())
    const lines = [...nameAndData(first), ...rest]
      .filter(([event]) => event === 'log')
      .map(([, line]) => line)
    expect(lines.map(({ level, message, data }) => [level, message, data])).toEqual([
      ['INFO', 'before', { n: 1 }],
      ['WARNING', 'after', undefined],
    ])
    const [lastEvent, ended] = rest.at(-1) ?? []
    const detail = await server.asAdmin({ url: `/api/admin/tasks/${taskId}` })
    expect([lastEvent, ended]).toEqual(['end', detail.json<TaskDetail>()])
    const { logs } = (await server.asAdmin({ url: `/api/admin/tasks/${taskId}/logs` })).json()
    expect(lines).toEqual(logs)
  })
})
