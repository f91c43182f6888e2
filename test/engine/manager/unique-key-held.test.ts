import type pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { taskSettings } from '../../../src/engine/definition/settings.ts'
import { TaskManager } from '../../../src/engine/manager/manager.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { countHeldUp } from '../../support/held-up.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const plain = createTaskRegistry().task('plain')(() => undefined)

const createManager = () => tables.createManager([plain]).manager
const withKey = (uniqueKey: string) => ({ uniqueKey })

/** Somebody's transaction, open until the test ends it; `rollback` at the latest when the test does. */
async function openTransaction(): Promise<pg.PoolClient> {
  const client = await tables.pool.connect()
  await client.query('begin')
  onTestFinished(async () => {
    await client.query('rollback')
    client.release()
  })
  return client
}

/** Resolves when as many connections as `count` wait for somebody's transaction. */
async function waitingBackends(count: number): Promise<void> {
  await expect.poll(() => countHeldUp(tables.pool), { interval: 10 }).toBe(count)
}

describe('while another transaction has the key', () => {
  /** Inserts the task `task_held`. */
  async function holdKey(uniqueKey: string): Promise<pg.PoolClient> {
    const client = await openTransaction()
    await client.query(
      `insert into async_tasks (task_id, task_type, unique_key) values ('task_held', 'plain', $1)`,
      [uniqueKey],
    )
    return client
  }

  test.each([
    ['returns its task when that commits', 'commit', { taskId: 'task_held', created: false }],
    ['makes its own when that is rolled back', 'rollback', { created: true }],
  ])('a create waits, and %s', async (_what, end, answer) => {
    const holder = await holdKey('k')
    const waiting = createManager().createTask(plain, {}, withKey('k'))
    await waitingBackends(1)
    await holder.query(end)
    expect(await waiting).toMatchObject(answer)
  })

  test('a create waits where the task with the key is just being ended, and makes the next one', async () => {
    const taskId = await tables.insert({ ...inStatus('running'), unique_key: 'k' })
    const holder = await openTransaction()
    await holder.query(`update async_tasks set status = 'completed' where task_id = $1`, [taskId])
    const waiting = createManager().createTask(plain, {}, withKey('k'))
    await waitingBackends(1)
    await holder.query('commit')
    expect(await waiting).toMatchObject({ created: true })
  })

  test('a row that is only locked, by a handler with ctx.guard, delays no create', async () => {
    const taskId = await tables.insert({ ...inStatus('running'), unique_key: 'k' })
    const handler = await openTransaction()
    await handler.query('select 1 from async_tasks where task_id = $1 for no key update', [taskId])
    expect(await createManager().createTask(plain, {}, withKey('k'))).toMatchObject({
      taskId,
      created: false,
    })
  })

  test('creates of other keys, and of none, go on beside it; its own wait on one connection', async () => {
    const holder = await holdKey('k')
    const manager = createManager()
    const held = Array.from({ length: 50 }, () => manager.createTask(plain, {}, withKey('k')))
    const free = Array.from({ length: 50 }, (_, i) => manager.createTask(plain, {}, withKey(`free ${i}`)))
    const keyless = Array.from({ length: 50 }, () => manager.createTask(plain))
    const created = await Promise.all([...free, ...keyless])
    expect(created.filter((answer) => answer.created)).toHaveLength(100)
    await waitingBackends(1)
    await holder.query('commit')
    const answers = await Promise.all(held)
    expect(new Set(answers.map(({ taskId, created }) => `${taskId} ${created}`))).toEqual(
      new Set(['task_held false']),
    )
  })

  test('a create is refused when that takes too long, and the key can be had afterwards', async () => {
    const manager = new TaskManager({
      db: createDatabase(tables.pool, {
        prepared: tables.database.prepared,
        schema: tables.database.schema,
        responseTimeoutMs: 700,
      }),
      events: new TaskEvents(),
      definitions: new Map(),
      settings: taskSettings.parse({}),
    })
    await rememberTypes(tables.pool, 'elsewhere')
    const holder = await holdKey('k')
    const busy = [
      manager.createTask('elsewhere', {}, withKey('k')),
      manager.createTasks([{ task: 'elsewhere', uniqueKey: 'k' }]),
    ]
    for (const answer of await Promise.allSettled(busy)) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'UNIQUE_KEY_BUSY' } })
    }
    await holder.query('rollback')
    expect(await manager.createTask('elsewhere', {}, withKey('k'))).toMatchObject({ created: true })
  })

  test('createTasks waits for all of its keys', async () => {
    const holder = await holdKey('b')
    const items = ['c', 'b', 'a'].map((uniqueKey) => ({ task: plain, uniqueKey }))
    const waiting = createManager().createTasks(items)
    await waitingBackends(1)
    expect((await tables.read()).tasks).toEqual([])
    await holder.query('commit')
    expect((await waiting).map(({ created }) => created)).toEqual([true, false, true])
  })
})
