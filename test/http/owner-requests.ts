import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StreamMessage } from '../../src/client/event-stream.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createGate } from '../support/engine.ts'
import { type OpenEvents, openEvents } from '../support/event-source.ts'
import { readBeginning, whileServing } from './meanwhile.ts'
import { type Paths, type RandomRequest, randomRequests } from './random-requests.ts'
import { headersOf, PREFIX, type RoleHost, startRoleHost } from './role-host.ts'

/** `FUZZ_SEED` repeats a run. */
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)

/** In everything that other people's tasks hold, and in no request: a response with it leaks. */
const FOREIGN = 'foreign-0d1cf7'
/** The same in the owner's own tasks: shows that the search would find it. */
const OWN = 'own-5b91aa'
const OWNER = { id: 'owner', role: 'owner' } as const
/** Creators: one whose id requests may name, one with the mark in it, and nobody. */
const OTHERS = ['neighbour', `${FOREIGN}-user`, null]

const { task } = createTaskRegistry()
const gate = createGate()
const spill = task('spill')(async (params: { mark?: string; end?: string }, ctx) => {
  ctx.log.info(`line of ${params.mark}`, { data: params.mark })
  ctx.progress(1, 2, `step of ${params.mark}`)
  if (params.end === 'running') await gate.opened
  if (params.end === 'failed') throw new Error(`error of ${params.mark}`)
  return { result: params.mark }
})

let host: RoleHost
let own: string[]
let foreign: string[]
let foreignRows: unknown[]
/** Tasks of others that come and go meanwhile. */
const passing: string[] = []

async function createFor(createdBy: string | null, mark: string): Promise<string[]> {
  const { tasks } = host.app
  const later = { runAt: new Date(Date.now() + 86_400_000) }
  const items = ['completed', 'failed', 'running', 'pending', 'pending'].map((end, i) => ({
    task: spill,
    params: { mark, end },
    createdBy,
    maxRetries: 0,
    // One key for all: nothing of it may show either.
    uniqueKey: `${mark} ${createdBy} ${i}`,
    ...(end === 'pending' ? later : {}),
  }))
  const created = await tasks.createTasks(items)
  const [completed = '', failed = '', running = ''] = created.map(({ taskId }) => taskId)
  await tasks.waitFor(completed)
  await tasks.waitFor(failed)
  for await (const event of tasks.watch(running)) {
    if (event.type === 'task' && event.task.step !== null) break
  }
  return created.map(({ taskId }) => taskId)
}

const readForeign = async () =>
  (
    await host.database.pool.query(
      'select task_id, status, priority, run_at, attempt, retry_count, cancelled_at from async_tasks where task_id = any($1) order by id',
      [foreign],
    )
  ).rows

export function testOwnersRequests(numRuns: number): void {
  beforeAll(async () => {
    host = await startRoleHost([spill])
    foreign = []
    for (const createdBy of OTHERS) foreign.push(...(await createFor(createdBy, FOREIGN)))
    own = await createFor(OWNER.id, OWN)
    foreignRows = await readForeign()
  })
  afterAll(async () => {
    gate.open()
    await host.close()
  })

  test(`${numRuns} requests of an owner get not one byte of other tasks, and change none (seed ${seed})`, async () => {
    const { paths } = host.app.swagger() as unknown as { paths: Paths }
    const isOfOwners = ([path]: [string, unknown]) => /\/tasks(\/\{taskId\}.*|\/events|\/bulk)?$/.test(path)
    const hints = {
      taskId: [...own, ...foreign, ...foreign],
      createdBy: ['neighbour', OWNER.id],
      q: ['task_', 'spill', ...foreign, foreign[0]?.slice(0, 20) ?? ''],
      taskType: ['spill'],
      'taskIds[]': [...own, ...foreign, ...foreign],
    }
    const sample = fc.oneof(
      {
        weight: 4,
        arbitrary: randomRequests(Object.fromEntries(Object.entries(paths).filter(isOfOwners)), hints),
      },
      { weight: 1, arbitrary: randomRequests(paths, hints) },
    )
    const address = await host.app.listen({ host: '127.0.0.1', port: 0 })
    const stream = new OwnStream(`${address}${PREFIX}/tasks/events`)
    const seen = new Map<number, number>()
    let hasSeenOwn = false
    const requests = fc.asyncProperty(sample, async ({ request }) => {
      const { status, text } = await read(request)
      seen.set(status, (seen.get(status) ?? 0) + 1)
      hasSeenOwn ||= text.includes(OWN)
      expect(status, `${request.method} ${request.url}: ${text}`).toBeLessThan(500)
      expectNothingForeign(request, text)
      if (Math.random() < 0.05) await changeForeign()
    })
    await whileServing(
      async () => (await host.as({ id: 'another' }, { url: `${PREFIX}/tasks` })).statusCode,
      () => fc.assert(requests, { seed, numRuns }),
    )
    const created: string[] = []
    const isShown = async () => {
      const task = await host.app.tasks.createTask('spill', { mark: OWN }, { createdBy: OWNER.id })
      created.push(task.taskId)
      return stream.events.some(({ data }) => created.some((taskId) => data.includes(taskId)))
    }
    await expect.poll(isShown, { interval: 200 }).toBe(true)
    await stream.close()
    expectNothingForeign({ url: '/' }, JSON.stringify(stream.events))
    console.log(`answers: ${JSON.stringify([...seen])}`)
    expect(hasSeenOwn).toBe(true)
    expect([...seen.keys()]).toEqual(expect.arrayContaining([200, 400, 403, 404]))
    expect(await readForeign()).toEqual(foreignRows)
  }, 900_000)
}

/** The owner's stream of all tasks. It ends where a deleted task's creator is unknown; a client opens it again. */
class OwnStream {
  readonly events: StreamMessage[] = []
  readonly #ended: Promise<void>
  #current: OpenEvents | undefined
  #isClosed = false

  constructor(url: string) {
    this.#ended = this.#collect(url)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#current?.close()
    await this.#ended
  }

  async #collect(url: string): Promise<void> {
    while (!this.#isClosed) {
      const stream = await openEvents(url, headersOf(OWNER))
      this.#current = stream
      try {
        for (let event = await stream.next(); event; event = await stream.next()) this.events.push(event)
      } catch (error) {
        if (!this.#isClosed) throw error
      }
    }
  }
}

/** Others go on meanwhile: the stream of all tasks has something to keep back. */
async function changeForeign(): Promise<void> {
  const { tasks } = host.app
  const params = { mark: FOREIGN }
  const { taskId } = await tasks.createTask(spill, params, { createdBy: 'neighbour', delayMs: 3_600_000 })
  passing.push(taskId)
  await tasks.cancelTask(taskId)
  if (passing.length % 2 === 0) await tasks.deleteTask(taskId)
  if (passing.length % 5 === 0) await tasks.pauseTaskType('spill')
  await tasks.resumeTaskType('spill')
}

/** Status, headers and body; of a stream what comes first. */
async function read(request: RandomRequest['request']): Promise<{ status: number; text: string }> {
  const isStream = /\/events(\?|$)/.test(request.url)
  const answer = await host.as(OWNER, isStream ? { ...request, payloadAsStream: true } : request)
  const text = isStream ? await readBeginning(answer.stream()) : answer.body
  // The client has gone: what `inject` returned is not the connection.
  if (isStream) answer.raw.res.destroy()
  return { status: answer.statusCode, text: JSON.stringify(answer.headers) + text }
}

/** Ids of others may come back where the request has named them. */
function expectNothingForeign(request: { url: string; payload?: unknown }, text: string): void {
  expect(text).not.toContain(FOREIGN)
  // Ids are written alike in a URL.
  const sent = `${request.url} ${String(request.payload as string | Buffer | undefined)}`
  for (const taskId of [...foreign, ...passing])
    if (!sent.includes(taskId)) expect(text).not.toContain(taskId)
}
