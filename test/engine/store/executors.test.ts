import { describe, expect, test } from 'vitest'
import {
  beat,
  forgetExecutors,
  listExecutors,
  registerExecutor,
  stopExecutor,
} from '../../../src/engine/store/executors.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const LEASE_MS = 30_000
const OTHER_EXECUTOR = '00000000-0000-4000-8000-000000000002'

const row = {
  executorId: SOME_EXECUTOR,
  host: 'h',
  pid: 7,
  version: 'v',
  slots: 2,
  taskTypes: ['known'],
  leaseMs: LEASE_MS,
}

const db = () => tables.createManager().db

async function register(heartbeatAge = '0 s', executorId = SOME_EXECUTOR): Promise<void> {
  await registerExecutor(db(), { ...row, executorId })
  await tables.pool.query(
    'update async_task_executors set heartbeat_at = now() - $2::interval where executor_id = $1',
    [executorId, heartbeatAge],
  )
}

describe('listExecutors', () => {
  test('shows the living with what they run', async () => {
    await register()
    const running = await tables.insert(inStatus('running'))
    await tables.insert({ ...inStatus('running'), executor_id: OTHER_EXECUTOR })
    await tables.insert(inStatus('completed'))
    expect(await listExecutors(db())).toEqual([
      {
        id: SOME_EXECUTOR,
        host: 'h',
        pid: 7,
        version: 'v',
        slots: 2,
        taskTypes: ['known'],
        startedAt: expect.any(Date),
        stuck: [],
        heartbeatAgeMs: expect.any(Number),
        leaseMs: expect.any(Number),
        alive: true,
        runningTasks: [running],
      },
    ])
  })

  test.each(['31 s', '25 days', '1000 years'])('shows one that died %s ago', async (age) => {
    await register(age)
    const [executor] = await listExecutors(db())
    expect(executor).toMatchObject({ alive: false })
    expect(Number.isInteger(executor?.heartbeatAgeMs)).toBe(true)
    expect(executor?.heartbeatAgeMs).toBeGreaterThan(30_999)
  })

  test('shows none that stopped', async () => {
    await register()
    await stopExecutor(db(), SOME_EXECUTOR)
    expect(await listExecutors(db())).toEqual([])
  })
})

describe('a heartbeat', () => {
  const ME = SOME_EXECUTOR
  const PROBES = { orphanedClaims: true, rescuable: true }

  test('returns which runs were lost and which cancelled, and changes no task', async () => {
    await register('20 s')
    const held = await tables.insert(inStatus('running'))
    const cancelled = await tables.insert(inStatus('cancelled'))
    const completed = await tables.insert(inStatus('completed'))
    const again = await tables.insert({ ...inStatus('running'), attempt: 2 })
    const elsewhere = await tables.insert({ ...inStatus('running'), executor_id: OTHER_EXECUTOR })
    const ids = [held, cancelled, completed, again, elsewhere, 'task_deleted']
    const before = await tables.read()
    const answer = await beat(
      db(),
      ME,
      ids.map((taskId) => ({ taskId, attempt: 1 })),
      [held],
      PROBES,
    )
    expect(answer).toMatchObject({ known: true, cancelled: [`${cancelled} 1`], orphanedClaims: true })
    // One that completed did so by itself: its handler has not returned.
    const lost = [again, elsewhere, 'task_deleted'].map((taskId) => `${taskId} 1`)
    expect(new Set(answer.lost)).toEqual(new Set(lost))
    expect(await tables.read()).toEqual(before)
    expect(await listExecutors(db())).toMatchObject([{ stuck: [held], alive: true }])
  })

  test('finds tasks of dead executors, where it probes for them', async () => {
    await register('0 s')
    const nothing = { orphanedClaims: false, rescuable: false }
    expect(await beat(db(), ME, [], [], PROBES)).toMatchObject(nothing)
    await tables.insert({ ...inStatus('running'), executor_id: OTHER_EXECUTOR })
    const asked = await beat(db(), ME, [], [], PROBES)
    expect(asked).toMatchObject({ orphanedClaims: false, rescuable: true })
    expect(asked.tableBytes).toBeGreaterThan(0)
    const notAsked = { orphanedClaims: false, rescuable: false }
    expect(await beat(db(), ME, [], [], notAsked)).toMatchObject(nothing)
  })

  test('of an executor whose row was removed shows that', async () => {
    expect(await beat(db(), ME, [], [], PROBES)).toMatchObject({
      known: false,
      lost: [],
      cancelled: [],
    })
  })
})

test('forgetExecutors removes those gone for a day and for the grace of their types, but for those that left something running', async () => {
  await register('25 hours')
  await register('25 hours', OTHER_EXECUTOR)
  await tables.insert({ ...inStatus('running'), executor_id: OTHER_EXECUTOR })
  await forgetExecutors(db(), 26 * 3_600)
  expect(await listExecutors(db())).toHaveLength(2)
  await forgetExecutors(db(), 0)
  expect((await listExecutors(db())).map((executor) => executor.id)).toEqual([OTHER_EXECUTOR])
})
