import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry } from 'fastify-async-tasks'
import { z } from 'zod'
import { connectionString, isTrue, type Same, show } from './host.ts'

const { task } = createTaskRegistry()

// One line for sources, where the module is digest.ts, and for the output of tsc, where it is digest.js.
const digest = task('digest', {
  params: z.object({ text: z.string(), rounds: z.int().default(1_000) }),
  run: 'thread',
  module: new URL('./digest.ts', import.meta.url),
})<typeof import('./digest.ts')>()

// @ts-expect-error the handler takes other params than the schema makes
task('wrong_digest', {
  params: z.object({ text: z.number() }),
  run: 'thread',
  module: new URL('./digest.ts', import.meta.url),
})<typeof import('./digest.ts')>()

const app = Fastify()
await app.register(asyncTasks, { connectionString, tasks: [digest], routes: false })
await app.ready()
const { taskId } = await app.tasks.createTask(digest, { text: 'ada' })
const { result, status, step, steps } = await app.tasks.waitFor(taskId, { task: digest })
isTrue<Same<typeof result, { digest: string; inThread: boolean } | null>>()
let expected = 'ADA'
for (let round = 0; round < 1_000; round++) expected = createHash('sha256').update(expected).digest('hex')
assert.deepEqual(
  { status, step, result },
  {
    status: 'completed',
    step: 'hashed',
    result: { digest: expected, inThread: true },
  },
)
assert.deepEqual(
  steps.map(({ name }) => name),
  ['seed'],
)
const { logs } = await app.tasks.listLogs(taskId)
assert.deepEqual(
  logs.map(({ message }) => message),
  ['hashed'],
)
await app.close()
show(
  `a handler in TypeScript ran in a thread, from ${import.meta.url.endsWith('.ts') ? 'its source' : 'dist'}`,
)
