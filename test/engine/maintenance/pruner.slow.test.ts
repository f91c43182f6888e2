import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { type TaskSettingsInput, taskSettings } from '../../../src/engine/definition/settings.ts'
import type { TaskOptions } from '../../../src/engine/definition/task.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { Pruner } from '../../../src/engine/maintenance/pruner.ts'
import { listEntries } from '../../../src/engine/store/audit.ts'
import { holdPruning } from '../../../src/engine/store/prune.ts'
import { createEngine, nextEvent } from '../../support/engine.ts'
import { captureStatements } from '../../support/plans.ts'
import { inStatus, SOME_EXECUTOR, type StoredRow, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const DAY_MS = 86_400_000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)
const FINISHED = ['completed', 'failed', 'cancelled'] as const

function createPruner(tasks: readonly AnyTask[] = [], settings: TaskSettingsInput = {}) {
  const registry = createTaskRegistry()
  registry.add(...tasks)
  const { db, events } = tables.createManager()
  const parts = { db, events, settings: taskSettings.parse(settings), definitions: registry.definitions() }
  const pruner = new Pruner(parts)
  return { db, events, prune: (signal = new AbortController().signal) => pruner.prune(signal) }
}

function typed(type: string, options: TaskOptions = {}): AnyTask {
  return createTaskRegistry().task(type, options)(() => {})
}

/** A task that ended so many days ago, with params, a line and an attempt. */
async function insertEnded(
  status: (typeof FINISHED)[number],
  days: number,
  columns: StoredRow = {},
): Promise<string> {
  const at = status === 'cancelled' ? 'cancelled_at' : 'completed_at'
  const taskId = await tables.insert({
    ...inStatus(status),
    ...{ created_at: daysAgo(days), [at]: daysAgo(days) },
    ...columns,
  })
  await tables.pool.query(
    `with p as (insert into async_task_params (task_id, key, value) values ($1, 'a', '1')),
          l as (insert into async_task_logs (task_id, level, message) values ($1, 'INFO', 'said'))
     insert into async_task_attempts (task_id, attempt, started_at, outcome) values ($1, 7, now(), 'failed')`,
    [taskId],
  )
  return taskId
}

async function insertManyEnded(count: number, taskType: string, days = 100): Promise<void> {
  await tables.pool.query(
    `insert into async_tasks (task_id, task_type, status, created_at, completed_at)
     select 'task_' || md5($2 || n), $2, 'completed', now() - $3 * interval '1 day', now() - $3 * interval '1 day'
       from generate_series(1, $1::int) n`,
    [count, taskType, days],
  )
}

async function insertExecutor(taskTypes: string[]): Promise<void> {
  await tables.pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
     values ($1, 'h', 1, 'v', 2, $2, 30000, now() - interval '20 hours')`,
    [SOME_EXECUTOR, taskTypes],
  )
}

const leftOf = async () => (await tables.read()).tasks.map((row) => row.task_id)

describe('pruning', () => {
  test('removes what ended longer ago than it is kept, with all that belongs to it, and nothing else', async () => {
    const { events, prune } = createPruner()
    for (const status of FINISHED) await insertEnded(status, 29.9)
    // Created long ago, and not ended, or not for long enough.
    await tables.insert({ created_at: daysAgo(400) })
    await tables.insert({ ...inStatus('running'), created_at: daysAgo(400) })
    await insertEnded('completed', 400, { completed_at: daysAgo(1) })
    await insertEnded('cancelled', 400, { cancelled_at: daysAgo(1) })
    const kept = await tables.read()
    for (const status of FINISHED) await insertEnded(status, 30.1)
    await insertEnded('failed', 31, { created_at: daysAgo(400) })

    const announced = nextEvent(events, 'pruned')
    expect(await prune()).toBe(true)
    expect(await tables.read()).toEqual(kept)
    expect(await announced).toEqual({ count: 4 })
  })

  test('keeps tasks for as long as their type sets', async () => {
    const tasks = [
      typed('brief', { retentionDays: 0.5 }),
      typed('long', { retentionDays: 365 }),
      typed('ever', { retentionDays: 36_500 }),
    ]
    const { prune } = createPruner(tasks)
    const kept = [
      await insertEnded('completed', 0.4, { task_type: 'brief' }),
      await insertEnded('completed', 364, { task_type: 'long' }),
      await insertEnded('completed', 9_000, { task_type: 'ever' }),
      await insertEnded('completed', 29, { task_type: 'other' }),
    ]
    await insertEnded('completed', 0.6, { task_type: 'brief' })
    await insertEnded('completed', 366, { task_type: 'long' })
    await insertEnded('completed', 31, { task_type: 'other' })
    await prune()
    expect(await leftOf()).toEqual(kept)
  })

  test('removes nothing where tasks are kept indefinitely', async () => {
    const { prune } = createPruner([], { retentionDays: 36_500 })
    await insertEnded('completed', 9_000)
    const before = await tables.read()
    await prune()
    expect(await tables.read()).toEqual(before)
  })

  test('with 0 days still leaves a minute to those who wait for an end', async () => {
    const { prune } = createPruner([], { retentionDays: 0 })
    const kept = await insertEnded('completed', 0.9 / 1_440)
    await insertEnded('completed', 1.1 / 1_440)
    await prune()
    expect(await leftOf()).toEqual([kept])
  })

  test.each<[number, TaskSettingsInput]>([
    [365, {}],
    [7, { auditRetentionDays: 7 }],
  ])(
    'removes entries of the audit that are older than %d days, and keeps the others',
    async (days, settings) => {
      const { db, prune } = createPruner([], settings)
      const insert = (age: number) =>
        tables.pool.query(
          `insert into async_task_audit (at, action, subject, outcome) values ($1, 'a', $2, 'ok')`,
          [daysAgo(age), String(age)],
        )
      for (const age of [0, days - 0.1, days + 0.1, days + 100]) await insert(age)
      await prune()
      const { entries } = await listEntries(db, {}, undefined)
      expect(entries.map(({ subject }) => subject)).toEqual(['0', String(days - 0.1)])
    },
  )

  test('keeps the audit indefinitely, where that is set', async () => {
    const { db, prune } = createPruner([], { auditRetentionDays: 36_500 })
    await tables.pool.query(
      `insert into async_task_audit (at, action, outcome) values ('1900-01-01', 'a', 'ok')`,
    )
    await prune()
    expect((await listEntries(db, {}, undefined)).entries).toHaveLength(1)
  })

  test('leaves types alone that another executor knows', async () => {
    await insertExecutor(['theirs', 'ours'])
    const { prune } = createPruner([typed('ours')])
    const kept = await insertEnded('completed', 400, { task_type: 'theirs' })
    await insertEnded('completed', 400, { task_type: 'ours' })
    await insertEnded('completed', 400, { task_type: 'forgotten' })
    await prune()
    expect(await leftOf()).toEqual([kept])
  })

  test('goes on step after step, past tasks that stay', async () => {
    const { prune } = createPruner()
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, created_at)
       select 'task_stays' || n, 'a', now() - interval '200 days' from generate_series(1, 700) n`,
    )
    await insertManyEnded(1_300, 'a')
    await insertManyEnded(700, 'b')
    const statements = await captureStatements(tables.pool, () => prune())
    const left = await tables.read()
    expect(left.tasks).toHaveLength(700)
    expect(new Set(left.tasks.map((row) => row.status))).toEqual(new Set(['pending']))
    // Duty, types, four steps and an empty one for 2,000 rows of one type, two for the other, minutes, end of duty.
    expect(statements.length).toBeLessThanOrEqual(12)
  })

  test('removes a long log in bounded steps before its task', async () => {
    const { prune } = createPruner()
    const long = await insertEnded('completed', 40)
    const kept = await insertEnded('completed', 1)
    await tables.pool.query(
      `insert into async_task_logs (task_id, level, message)
       select unnest(array[$1, $2]), 'INFO', 'x' from generate_series(1, 12000)`,
      [long, kept],
    )
    await tables.pool.query(`
      create table removals (lines int, at timestamptz default now());
      create function count_removals() returns trigger language plpgsql as
        $$ begin insert into removals (lines) select count(*) from gone; return null; end $$;
      create trigger count_removals after delete on async_task_logs
        referencing old table as gone for each statement execute function count_removals()`)
    await prune()
    const { rows } = await tables.pool.query(
      'select max(lines) as most, sum(lines)::int as all from removals',
    )
    await tables.pool.query('drop table removals; drop function count_removals cascade')
    expect(rows).toEqual([{ most: 500, all: 12_001 }])
    const left = await tables.read()
    expect(left.tasks.map((row) => row.task_id)).toEqual([kept])
    expect(left.logs).toHaveLength(12_001)
  })

  test('waits for no lock: locked rows stay for the next time', async () => {
    const { prune } = createPruner()
    const held = await insertEnded('completed', 40)
    await insertEnded('completed', 40)
    const client = await tables.pool.connect()
    try {
      await client.query('begin')
      await client.query('select from async_tasks where task_id = $1 for key share', [held])
      await prune()
      expect(await leftOf()).toEqual([held])
      await client.query('commit')
    } finally {
      client.release()
    }
    await prune()
    expect(await leftOf()).toEqual([])
  })

  test('is done by one process at a time; one that died is followed', async () => {
    const { db, prune } = createPruner()
    await insertEnded('completed', 40)
    expect(await holdPruning(db, SOME_EXECUTOR, 60_000)).toBe(true)
    expect(await prune()).toBe(false)
    expect(await leftOf()).toHaveLength(1)
    await tables.pool.query(`update async_task_duties set until = now() - interval '1 ms'`)
    expect(await prune()).toBe(true)
    expect(await leftOf()).toHaveLength(0)
    // It has left the duty to whoever comes next.
    expect(await holdPruning(db, SOME_EXECUTOR, 60_000)).toBe(true)
  })

  test('ends with the step it is in when it is told to', async () => {
    const { events, prune } = createPruner()
    await insertManyEnded(2_000, 'a')
    const stop = new AbortController()
    events.on('pruned', () => expect(stop.signal.aborted).toBe(true))
    const pruned = prune(stop.signal)
    await expect.poll(async () => (await leftOf()).length).toBeLessThan(2_000)
    stop.abort()
    expect(await pruned).toBe(true)
  })

  test('says what it has deleted where a later step fails', async () => {
    const { events, prune } = createPruner()
    await insertManyEnded(2_000, 'a')
    await insertEnded('completed', 99, { task_type: 'a' })
    await tables.pool.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
       create trigger refuse after delete on async_task_logs for each row execute function refuse()`,
    )
    const announced = nextEvent(events, 'pruned')
    await expect(prune()).rejects.toThrow('refused')
    await tables.pool.query('drop function refuse cascade')
    const deleted = 2_001 - (await leftOf()).length
    expect(deleted).toBeGreaterThan(0)
    expect(await announced).toEqual({ count: deleted })
  })

  test('removes counts of minutes that no statistics show', async () => {
    const { prune } = createPruner()
    await tables.pool.query(
      `insert into async_task_minutes (minute, source) select now() - n * interval '1 hour', gen_random_uuid()
         from unnest(array[0, 1, 4, 400]) n`,
    )
    await prune()
    expect((await tables.pool.query('select from async_task_minutes')).rowCount).toBe(2)
  })
})

test('an executor prunes by itself, beside the tasks that it runs', async () => {
  const work = createTaskRegistry().task('work', { retentionDays: 1 })(() => 'done')
  const { executor, events, manager } = createEngine(tables.database, [work], {
    ...{ concurrency: 10, heartbeatIntervalMs: 100, leaseMs: 3_000 },
  })
  await insertManyEnded(3_000, 'work')
  const pruned = nextEvent(events, 'pruned')
  executor.start()
  try {
    const created = await manager.createTasks(Array.from({ length: 500 }, () => ({ task: work })))
    expect(await pruned).toEqual({ count: 3_000 })
    const ends = await Promise.all(created.map(({ taskId }) => manager.waitFor(taskId)))
    expect(ends.every(({ status }) => status === 'completed')).toBe(true)
    expect(await leftOf()).toHaveLength(500)
  } finally {
    await executor.stop()
  }
})
