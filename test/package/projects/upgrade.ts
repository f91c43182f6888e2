import assert from 'node:assert/strict'
import Fastify, { type FastifyInstance } from 'fastify'
import asyncTasks, { createTaskRegistry } from 'fastify-async-tasks'
import pg from 'pg'
import { connectionString, show } from './host.ts'

/** `npx fastify-async-tasks migrate --schema jobs` has run before. */
const { task } = createTaskRegistry()
const greet = task('greet')(() => 'hello')

const warnings: string[] = []
const ofNewer = () => warnings.filter((warning) => /newer than this code, which works with it/.test(warning))
async function start(): Promise<FastifyInstance> {
  const stream = { write: (line: string) => void warnings.push(JSON.parse(line).msg) }
  const app = Fastify({ logger: { level: 'warn', stream }, pluginTimeout: 0 })
  await app.register(asyncTasks, {
    connectionString,
    schema: 'jobs',
    migrate: 'verify',
    tasks: [greet],
    routes: false,
  })
  await app.ready()
  return app
}
async function greeting(app: FastifyInstance): Promise<unknown> {
  const { taskId } = await app.tasks.createTask(greet)
  const { result } = await app.tasks.waitFor(taskId)
  await app.close()
  return result
}

assert.equal(await greeting(await start()), 'hello')
assert.equal(ofNewer().length, 0)
show("the command's migrations are all that migrate: 'verify' asks for")

const client = new pg.Client({ connectionString })
await client.connect()
await client.query(`alter table jobs.async_tasks add column mood text not null default 'good'`)
const later = 'insert into jobs.async_tasks_migrations (hash, created_at, oldest_version) values ($1, $2, $3)'
await client.query(later, ['later', Date.UTC(2100), '0.1.0'])
assert.equal(await greeting(await start()), 'hello')
assert.equal(ofNewer().length, 1)
show('a schema of a later version that works beside this one is used, and said once')

await client.query(later, ['much later', Date.UTC(2101), '99.0.0'])
await assert.rejects(start(), /only version 99\.0\.0 or a later one works/)
await client.end()
show('beyond its bound the start is refused')
