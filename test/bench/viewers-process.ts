import Fastify from 'fastify'
import pg from 'pg'
import { createPool } from '../../src/db/client.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'

/** The processes that `viewers.ts` measures: one that runs tasks, one that shows them and runs none. */

const [role = '', connectionString = ''] = process.argv.slice(2)
const { task } = createTaskRegistry()

/** Says when it said it, at moments that keep no step with anything, and writes a line a second. */
const long = task('long')(async (_params, ctx) => {
  for (let i = 1; !ctx.signal.aborted; i += 1) {
    ctx.progress(i % 1_000_000, 1_000_000, String(Date.now()))
    ctx.log.info(`line ${i}`)
    await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1_000))
  }
})
const startedAt = new Map<string, number>()
const noop = task('noop')((_params, ctx) => void startedAt.set(ctx.taskId, performance.now()))

/** On each message: how long the tasks since the last one waited to be picked up, in milliseconds. */
async function runExecutor(): Promise<void> {
  const app = Fastify()
  await app.register(asyncTasks, { connectionString, tasks: [long, noop], routes: false, concurrency: 4 })
  await app.ready()
  const { taskId } = await app.tasks.createTask(long)
  let waits: number[] = []
  process.on('message', () => {
    process.send?.({ waits })
    waits = []
  })
  process.send?.({ taskId })
  for (;;) {
    const before = performance.now()
    const created = await app.tasks.createTask(noop)
    await app.tasks.waitFor(created.taskId)
    waits.push((startedAt.get(created.taskId) ?? Number.NaN) - before)
    startedAt.delete(created.taskId)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function runWeb(): Promise<void> {
  let statements = 0
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function counted(this: pg.Client, ...given: unknown[]) {
    statements += 1
    return Reflect.apply(query, this, given)
  } as typeof query
  const pool = createPool({ connectionString, applicationName: 'web' })
  const app = Fastify()
  await app.register(asyncTasks, {
    pool,
    tasks: [long, noop],
    executor: false,
    migrate: false,
    // As the look-up of a session would. Each stream is another caller's: those of one are limited.
    authorize: async ({ id }) => {
      await pool.query('select 1')
      return { id }
    },
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  process.on('message', () => {
    globalThis.gc?.()
    process.send?.({ statements, heap: process.memoryUsage().heapUsed, at: performance.now() })
  })
  process.send?.({ address })
}

await (role === 'web' ? runWeb() : runExecutor())
