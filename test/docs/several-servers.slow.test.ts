import { createHash } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import asyncTasks, { createTaskRegistry, type TaskManager } from '../../src/index.ts'
import { startPostgres } from '../processes/chaos/postgres-server.ts'
import { examplesNotRunBy } from '../support/docs.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'

const { task } = createTaskRegistry()
const sendReport = task('send_report', { maxRetries: 0 })((params) => {
  if (params.customer === 'nobody') throw new Error('no such customer')
  return params.customer
})
const tasks = [sendReport]
const authorize = () => ({ id: 'ada' })

/** A PostgreSQL server with the engine's tables, which can be cut off. */
async function startServer(): Promise<FaultProxy> {
  const server = await startPostgres({ maxConnections: 50 })
  onTestFinished(() => server.remove())
  const database = await server.createDatabase()
  onTestFinished(() => database.pool.end())
  const proxy = await startFaultProxy(database.url)
  onTestFinished(() => proxy.close())
  return proxy
}

async function startApp(servers: readonly string[]) {
  const app: FastifyInstance = Fastify()
  for (const [n, connectionString] of servers.entries()) {
    const own = { decorator: `tasks${n}`, prefix: `/api/admin/${n}` }
    await app.register(asyncTasks, { connectionString, tasks, authorize, migrate: false, ...own })
  }
  onTestFinished(() => app.close())

  const managers = servers.map((_, n) => app.getDecorator<TaskManager>(`tasks${n}`))

  function tasksOf(customer: string): TaskManager {
    const hash = createHash('sha256').update(customer).digest().readUInt32BE()
    return managers[hash % managers.length] as TaskManager
  }

  async function countFailed(): Promise<number> {
    const stats = await Promise.all(managers.map((manager) => manager.stats()))
    return stats.reduce((sum, { byStatus }) => sum + byStatus.failed, 0)
  }

  await app.ready()
  return { app, managers, tasksOf, countFailed }
}

const customers = Array.from({ length: 100 }, (_, n) => `customer ${n}`)

test('docs/several-servers.md routes tasks to servers by a key, and one that is away stops its own alone', async () => {
  expect(examplesNotRunBy(import.meta.url, 'several-servers.md')).toEqual([])
  const proxies = await Promise.all([startServer(), startServer(), startServer()])
  const { app, managers, tasksOf, countFailed } = await startApp(proxies.map(({ url }) => url))

  await tasksOf('ada').createTask(sendReport, { customer: 'ada' }, { uniqueKey: 'report for ada' })
  const create = (customer: string) => tasksOf(customer).createTask(sendReport, { customer })
  for (const customer of [...customers, 'nobody']) await create(customer)
  await expect.poll(countFailed).toBe(1)
  const completed = async (manager: TaskManager) => (await manager.stats()).byStatus.completed
  await expect
    .poll(async () => (await Promise.all(managers.map(completed))).reduce((sum, count) => sum + count))
    .toBe(customers.length + 1)
  for (const manager of managers) expect(await completed(manager)).toBeGreaterThan(20)
  const seen = await app.inject('/api/admin/2/tasks?status=completed')
  expect(seen.json().total).toBe(await completed(managers[2] as TaskManager))

  const awayCustomer = customers.find((customer) => tasksOf(customer) === managers[1]) ?? ''
  const hereCustomer = customers.find((customer) => tasksOf(customer) === managers[0]) ?? ''
  proxies[1].set('reset')
  await expect(create(awayCustomer)).rejects.toThrow()
  const payload = { taskType: 'send_report' }
  const refused = await app.inject({ method: 'POST', url: '/api/admin/1/tasks', payload })
  expect(refused.statusCode).toBe(503)
  expect(refused.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  const { taskId } = await create(hereCustomer)
  expect(await tasksOf(hereCustomer).waitFor(taskId)).toMatchObject({ status: 'completed' })
  proxies[1].set('none')
  await expect
    .poll(() =>
      create(awayCustomer).then(
        ({ created }) => created,
        () => false,
      ),
    )
    .toBe(true)
})

test('an app starts while one of its servers is away', async () => {
  const proxies = await Promise.all([startServer(), startServer()])
  proxies[1].set('reset')
  const { managers } = await startApp(proxies.map(({ url }) => url))
  const [here, away] = managers as [TaskManager, TaskManager]
  const { taskId } = await here.createTask(sendReport, { customer: 'ada' })
  expect(await here.waitFor(taskId)).toMatchObject({ status: 'completed' })
  proxies[1].set('none')
  const create = () => away.createTask(sendReport, { customer: 'ada' })
  await expect
    .poll(() =>
      create().then(
        ({ created }) => created,
        () => false,
      ),
    )
    .toBe(true)
})
