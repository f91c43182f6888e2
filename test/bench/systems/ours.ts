import Fastify from 'fastify'
import { z } from 'zod'
import { migrate } from '../../../src/db/migrate.ts'
import asyncTasks, { createTaskRegistry, type TaskManager } from '../../../src/index.ts'
import type { OpenOptions, Session, System } from '../system.ts'

export const OUR_SQL = {
  // What is scheduled for later is nobody's work yet. Asked with `exists`, PostgreSQL would read a long history: it
  // expects most pending rows to be as long due as most others. In the claim's order it walks the claim's index.
  busy: `select (select true from async_tasks where status = 'pending' and run_at <= now()
                  order by priority desc, run_at, id limit 1) is not null
             or exists (select from async_tasks where status = 'running') as busy`,
  discard: `delete from async_tasks where status in ('pending', 'running') and run_at <= now()`,
  stored: 'select count(*)::int as count from async_tasks',
}

const params = z.object({ n: z.int() })

/** As an app would boot it: the plugin once for each server, with its own pools, and no routes. */
async function open(urls: readonly string[], { runs, limit }: OpenOptions): Promise<Session> {
  // Of its own: a process opens many sessions, each with a handler of its own.
  const registry = createTaskRegistry()
  const options = { params, ...(limit && { globalConcurrency: limit.permits }) }
  const noop = registry.task(
    'noop',
    options,
  )(async ({ n }) => {
    await runs?.onStart(n)
  })
  const app = Fastify()
  for (const [index, connectionString] of urls.entries()) {
    await app.register(asyncTasks, {
      connectionString,
      registry,
      routes: false,
      migrate: 'verify',
      decorator: `tasks${index}`,
      executor: runs !== undefined,
      ...(runs && { concurrency: Math.ceil(runs.concurrency / urls.length) }),
    })
  }
  await app.ready()
  const managers = urls.map((_, index) => app.getDecorator<TaskManager>(`tasks${index}`))
  const of = (n: number) => managers[n % managers.length] as TaskManager
  return {
    create: (n, uniqueKey) => of(n).createTask(noop, { n }, uniqueKey === undefined ? {} : { uniqueKey }),
    createMany: (numbers) =>
      Promise.all(
        managers.map((manager) => {
          const own = numbers.filter((n) => of(n) === manager)
          return manager.createTasks(own.map((n) => ({ task: noop, params: { n } })))
        }),
      ),
    close: () => app.close(),
  }
}

export const ours: System = {
  name: 'fastify-async-tasks',
  mode: 'plugin as an app boots it',
  rows: 'kept',
  measures: ['create-50', 'create-unique-50', 'create-1', 'bulk', 'run', 'run-default', 'limited', 'pick-up'],
  tasksToRun: 50_000,
  concurrency: 500,
  defaultConcurrency: 2,
  sql: OUR_SQL,
  prepare: (url) => migrate(url, 'tasks', { mode: 'auto' }),
  open: (url, options) => open([url], options),
}

/** The same app over several servers, whose addresses stand in one text: tasks take turns. */
export const severalServers: System = {
  ...ours,
  name: 'several-servers',
  open: (urls, options) => open(urls.split(' '), options),
}
