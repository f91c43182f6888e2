import { beforeEach, describe, expect, test } from 'vitest'
import { claimTasks } from '../../../src/tasks/store/claim.ts'
import { readFeed } from '../../../src/tasks/store/feed.ts'
import { rescueTasks } from '../../../src/tasks/store/rescue.ts'
import { captureStatements, explain, type PlanNode } from '../../support/plans.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const KINDS = ['custom', 'generic'] as const

// A table with a past: that is where a plan that scans or sorts hurts.
const HISTORY = `insert into async_tasks (task_id, task_type, status, created_at, started_at, completed_at, attempt)
  select 'task_h' || n, 'type' || n % 5, (array['completed', 'failed', 'cancelled'])[1 + (n % 100 > 97)::int + (n % 100 > 98)::int],
         now() - n * interval '1 second', now(), now(), 1
    from generate_series(1, 100000) n`
const BACKLOG = `insert into async_tasks (task_id, task_type, priority)
  select 'task_p' || n, 'type' || n % 5, n % 3 from generate_series(1, 2000) n`

beforeEach(async () => {
  await tables.pool.query(HISTORY)
  await tables.pool.query(BACKLOG)
  await tables.pool.query('vacuum analyze async_tasks')
})

describe('over 100,000 finished tasks', () => {
  test('the claim walks the due tasks in their order: no sort, no scan of the table', async () => {
    const { db } = tables.createManager()
    const claim = () => claimTasks(db, SOME_EXECUTOR, ['type1', 'type2'], 2)
    const [statement] = await captureStatements(tables.pool, claim)
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(indexesOf(plan), kind).toEqual(
        expect.arrayContaining(['idx_async_tasks_due', 'async_tasks_pkey']),
      )
      expect(sortsAndScans(plan), kind).toEqual([])
    }
  })

  test('what viewers are shown is found by ids, however long the logs are', async () => {
    const lines = `insert into async_task_logs (task_id, level, message)
      select 'task_h' || 1 + n % 10, 'INFO', 'line' from generate_series(1, 20000) n`
    await tables.pool.query(lines)
    await tables.pool.query('vacuum analyze async_task_logs')
    const { db } = tables.createManager()
    const watched = [
      { taskId: 'task_h1', afterLine: 100 },
      { taskId: 'task_h2', afterLine: null },
    ]
    const all = { unfinished: ['task_p1', 'task_p2'], afterTask: 101_990 }
    const [statement] = await captureStatements(tables.pool, () => readFeed(db, watched, 500, all))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(plan.filter((node) => node['Node Type'] === 'Seq Scan' && isOurs(node))).toEqual([])
    }
  })

  test('the list walks its index, from the start and from a cursor', async () => {
    const { manager } = tables.createManager()
    const first = await manager.listTasks({ pageSize: 50 })
    for (const query of [{ pageSize: 50 }, { pageSize: 50, cursor: first.nextCursor ?? '' }]) {
      const statements = await captureStatements(tables.pool, () => manager.listTasks(query))
      const plan = await explainOne(
        statements.find(({ text }) => / order by .* limit /.test(text)),
        'custom',
      )
      expect(indexesOf(plan)).toEqual(['idx_async_tasks_created_at'])
      expect(sortsAndScans(plan)).toEqual([])
    }
  })

  test('the list of failed tasks walks the index of the rare ends', async () => {
    const { manager } = tables.createManager()
    const statements = await captureStatements(tables.pool, () => manager.listTasks({ status: ['failed'] }))
    const plan = await explainOne(
      statements.find(({ text }) => / order by .* limit /.test(text)),
      'custom',
    )
    expect(indexesOf(plan)).toEqual(['idx_async_tasks_status'])
    expect(sortsAndScans(plan)).toEqual([])
  })

  test('a long log is read a page at a time, off its index', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(inStatus('completed'))
    await tables.pool.query(
      `insert into async_task_logs (task_id, level, message)
       select case when n % 10 = 0 then $1 else 'task_h' || 1 + n % 1000 end, 'INFO', 'x'
         from generate_series(1, 50000) n`,
      [taskId],
    )
    await tables.pool.query('vacuum analyze async_task_logs')
    const statements = await captureStatements(tables.pool, () => manager.listLogs(taskId, { afterId: 7 }))
    const plan = await explainOne(
      statements.find(({ text }) => / order by .* limit /.test(text)),
      'custom',
    )
    expect(indexesOf(plan)).toEqual(['idx_async_task_logs_task_id'])
    expect(sortsAndScans(plan)).toEqual([])
  })

  test('the rescue, which runs with every heartbeat, reads what runs and no more', async () => {
    const { db } = tables.createManager()
    const [statement] = await captureStatements(tables.pool, () => rescueTasks(db))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(indexesOf(plan), kind).toEqual(
        expect.arrayContaining(['idx_async_tasks_running', 'async_tasks_pkey']),
      )
      expect(scansOfTasks(plan), kind).toEqual([])
    }
  })

  test('what steers one task finds it by its id', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(inStatus('running'))
    const statements = await captureStatements(tables.pool, async () => {
      await manager.updateProgress(taskId, 1)
      await manager.logMessage(taskId, 'INFO', 'x')
      await manager.cancelTask(taskId)
      await manager.retryTask(taskId)
    })
    for (const statement of statements) {
      for (const kind of KINDS) {
        expect(scansOfTasks(await explainOne(statement, kind)), statement.text).toEqual([])
      }
    }
  })
})

function explainOne(
  statement: Awaited<ReturnType<typeof captureStatements>>[number] | undefined,
  kind: (typeof KINDS)[number],
): Promise<PlanNode[]> {
  if (!statement) throw new Error('the statement was not sent')
  return explain(tables.pool, statement, kind)
}

const scansOfTasks = (plan: readonly PlanNode[]) =>
  plan.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === 'async_tasks')

const indexesOf = (plan: readonly PlanNode[]) => plan.flatMap((node) => node['Index Name'] ?? [])

const sortsAndScans = (plan: readonly PlanNode[]) =>
  plan.map((node) => node['Node Type']).filter((type) => /Sort|Seq Scan|Bitmap/.test(type))

function isOurs(node: PlanNode): boolean {
  return node['Relation Name']?.startsWith('async_task') ?? false
}
