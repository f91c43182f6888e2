import { describe, expect, test } from 'vitest'
import type { TaskQuery } from '../../../src/engine/manager/manager.ts'
import { findActionable } from '../../../src/engine/store/bulk.ts'
import { readFeed } from '../../../src/engine/store/feed.ts'
import { countTasks, EVERY_ID, listTasks } from '../../../src/engine/store/read.ts'
import { WALK } from '../../../src/engine/store/types-present.ts'
import { captureAllStatements, captureStatements, type PlanNode } from '../../support/plans.ts'
import { inStatus } from '../../support/task-rows.ts'
import { indexesOf, KINDS, scansOfTasks, sortsAndScans, useHistory } from './history-plans.ts'

const PARAMS_INDEX = 'async_task_params_task_id_key_key'
const { tables, explainOne } = useHistory()

describe('over 100,000 finished tasks', () => {
  test('a count ends at its bound', async () => {
    const { manager } = tables.createManager()
    const statements = await captureStatements(tables.pool, () => manager.listTasks({ taskType: 'type1' }))
    const plan = await explainOne(
      statements.find(({ text }) => /count\(\*\)/.test(text)),
      'custom',
    )
    expect(scansOfTasks(plan)).toEqual([])
  })

  test('an id is found by its beginning, and a whole type by its name', async () => {
    const { manager } = tables.createManager()
    for (const q of ['task_h4711', 'type1']) {
      const statements = await captureStatements(tables.pool, () => manager.listTasks({ q }))
      for (const statement of statements.filter(({ text }) => text.includes('async_tasks'))) {
        expect(scansOfTasks(await explainOne(statement, 'custom')), statement.text).toEqual([])
      }
    }
  })

  test('very many ids that begin alike are met in the order of the list', async () => {
    const made = Math.floor(Date.now() / 2 ** 20) * 2 ** 20
    const q = `task_${made.toString(16).padStart(12, '0').slice(0, 7)}`
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, run_at) select $1 || n, 'later', now() + interval '1 day'
         from generate_series(1, 30000) n`,
      [q],
    )
    await tables.pool.query('vacuum analyze async_tasks')
    const { manager } = tables.createManager()
    const statements = await captureStatements(tables.pool, () => manager.listTasks({ q }))
    const ofRanges = statements.filter(({ text }) => text.includes(') branches'))
    expect(ofRanges).toHaveLength(2)
    for (const statement of ofRanges) {
      const plan = await explainOne(statement, 'custom')
      expect(indexesOf(plan)).toContain('idx_async_tasks_status')
      expect(indexesOf(plan)).not.toContain('async_tasks_task_id_key')
      expect(scansOfTasks(plan)).toEqual([])
    }
    const { tasks, total } = await manager.listTasks({ q, pageSize: 3 })
    expect(tasks.map(({ taskType }) => taskType)).toEqual(['later', 'later', 'later'])
    expect(total).toBe(10_000)
  })

  test('what viewers are shown is found by ids, however long the logs are', async () => {
    const lines = `insert into async_task_logs (task_id, level, message)
      select 'task_h' || 1 + n % 10, 'INFO', 'line' from generate_series(1, 20000) n`
    await tables.pool.query(lines)
    const steps = `insert into async_task_steps (task_id, name, attempt, started_at, ended_at)
      select 'task_h' || 1 + n % 10, 'step ' || n, 1, now(), now() from generate_series(1, 20000) n`
    await tables.pool.query(steps)
    await tables.pool.query('vacuum analyze async_task_logs, async_task_steps')
    const { db } = tables.createManager()
    const watched = [
      { taskId: 'task_h1', afterLine: 100, afterStep: 100 },
      { taskId: 'task_h2', afterLine: null, afterStep: null },
    ]
    const all = {
      unfinished: ['task_p1', 'task_p2'],
      afterTask: 101_990,
      openGaps: [101_980, 101_985],
      snapshot: '700:700:',
      creators: ['u1'],
    }
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
      // Of each status but running, of which there are few, and then the page's own rows and their params.
      expect(indexesOf(plan).toSorted()).toEqual([
        PARAMS_INDEX,
        'async_tasks_pkey',
        'idx_async_tasks_running',
        ...Array(4).fill('idx_async_tasks_status'),
      ])
      expect(sortsAndScans(plan.filter(isLarge))).toEqual([])
    }
  })

  test('the list of failed tasks walks the index of the rare ends', async () => {
    const { manager } = tables.createManager()
    const statements = await captureStatements(tables.pool, () => manager.listTasks({ status: ['failed'] }))
    const plan = await explainOne(
      statements.find(({ text }) => / order by .* limit /.test(text)),
      'custom',
    )
    expect(indexesOf(plan).toSorted()).toEqual([PARAMS_INDEX, 'async_tasks_pkey', 'idx_async_tasks_status'])
    expect(sortsAndScans(plan.filter(isLarge))).toEqual([])
  })

  test('the failed tasks of an error group are counted, listed and retried by their index', async () => {
    await tables.pool.query(
      `update async_tasks set error_group = case when id % 100 = 0 then 'rare' else 'usual' end where status = 'failed'`,
    )
    await tables.pool.query('vacuum analyze async_tasks')
    const { db } = tables.createManager()
    for (const errorGroup of ['rare', 'usual']) {
      const sent = await captureStatements(tables.pool, async () => {
        await listTasks(db, { errorGroup }, { limit: 51, offset: 0 }, EVERY_ID)
        await countTasks(db, { errorGroup }, EVERY_ID)
        await findActionable(db, 'retry', { errorGroup }, 1_001)
      })
      expect(sent).toHaveLength(3)
      for (const statement of sent) {
        const plan = await explainOne(statement, 'custom')
        expect(scansOfTasks(plan), statement.text).toEqual([])
        expect(indexesOf(plan), statement.text).toContain('idx_async_tasks_error_group')
        expect(sortsAndScans(plan.filter(isLarge)), statement.text).toEqual([])
      }
    }
  })

  test('searches walk the indexes of the list, and probe params one by one', async () => {
    await tables.pool.query(
      `insert into async_task_params (task_id, key, value) select task_id, 'n', id::text from async_tasks`,
    )
    await tables.pool.query('vacuum analyze async_task_params')
    const { manager } = tables.createManager()
    const [ofList, ofType] = ['idx_async_tasks_status', 'idx_async_tasks_created_at']
    const searches: [index: string, query: TaskQuery][] = [
      [ofList, { error: 'broken' }],
      [ofList, { param: 'n:1' }],
      [ofList, { uniqueKey: 'k' }],
      [ofList, { executorId: '00000000-0000-4000-8000-000000000001' }],
      [ofList, { sort: 'duration' }],
      [ofType, { sort: 'waiting', taskType: 'type1' }],
    ]
    for (const [index, query] of searches) {
      const statements = await captureStatements(tables.pool, () => manager.listTasks(query))
      const sent = statements.find(({ text }) => text.includes('searched as materialized'))
      const plan = await explainOne(sent, 'custom')
      expect(plan.filter((node) => node['Node Type'] === 'Seq Scan' && isOurs(node))).toEqual([])
      expect(indexesOf(plan)).toContain(index)
      if (query.param) expect(indexesOf(plan)).toContain(PARAMS_INDEX)
    }
  })

  test('the list of one creator walks an index of its own, rare or not', async () => {
    await tables.pool.query(`update async_tasks set created_by = 'u' || id % 3 where id % 2 = 0`)
    await tables.pool.query(`update async_tasks set created_by = 'rare' where id in (11, 50001)`)
    await tables.pool.query('vacuum analyze async_tasks')
    const { manager } = tables.createManager()
    for (const createdBy of ['u1', 'rare', 'nobody']) {
      const sent = await captureStatements(tables.pool, async () => {
        await manager.listTasks({ createdBy })
        await manager.bulk({ action: 'cancel', filter: { createdBy }, dryRun: true })
      })
      const walks = sent.filter(({ text }) => text.includes('union all'))
      expect(walks).toHaveLength(3)
      for (const walk of walks) {
        const plan = await explainOne(walk, 'custom')
        expect(indexesOf(plan), createdBy).toContain('idx_async_tasks_created_by')
        expect(indexesOf(plan), createdBy).not.toContain('idx_async_tasks_status')
        expect(scansOfTasks(plan), createdBy).toEqual([])
      }
    }
  })

  test('a search in the tasks of one creator walks no index of others, whatever those have', async () => {
    await tables.pool.query(
      `update async_tasks set created_by = 'lone', task_type = 'mine' where id % 50 = 1`,
    )
    await tables.pool.query(`update async_tasks set created_by = 'rare' where id in (11, 50001)`)
    await tables.pool.query('vacuum analyze async_tasks')
    const { manager } = tables.createManager()
    for (const createdBy of ['lone', 'rare', 'nobody']) {
      for (const filter of [{ q: 'type1' }, { taskType: 'type1' }, { q: 'task_h4' }]) {
        const sent = await captureStatements(tables.pool, async () => {
          await manager.listTasks({ createdBy, ...filter })
          await manager.bulk({ action: 'cancel', filter: { createdBy, ...filter }, dryRun: true })
        })
        const searches = sent.filter(({ text }) => text.includes('created_by ='))
        expect(searches.length).toBeGreaterThanOrEqual(3)
        // A count of ids is one of all creators, too.
        expect(sent.filter((one) => /count\(/.test(one.text) && !searches.includes(one))).toEqual([])
        for (const search of searches) {
          const plan = await explainOne(search, 'custom')
          const fit = [
            'idx_async_tasks_created_by',
            'idx_async_tasks_running',
            'async_tasks_pkey',
            PARAMS_INDEX,
          ]
          const others = indexesOf(plan).filter((index) => !fit.includes(index))
          expect(others, `${createdBy} ${search.text}`).toEqual([])
          expect(scansOfTasks(plan), createdBy).toEqual([])
        }
      }
    }
    const { tasks } = await manager.listTasks({ createdBy: 'lone', q: 'task_h4', pageSize: 200 })
    expect(tasks.length).toBeGreaterThan(0)
    for (const { taskId, taskType } of tasks) {
      expect([taskId.slice(0, 7), taskType]).toEqual(['task_h4', 'mine'])
    }
    await expect(manager.listTasks({ createdBy: 'lone', q: 'type1' })).resolves.toMatchObject({ total: 0 })
  })

  test('statistics read indexes alone, however long the history', async () => {
    const { manager } = tables.createManager()
    const sent = await captureAllStatements(() => manager.stats())
    const statement = sent.find(({ text }) => text.includes('recursive'))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind, WALK)
      const ofTasks = plan.filter((node) => node['Relation Name'] === 'async_tasks')
      expect(ofTasks.length).toBeGreaterThan(0)
      expect(scansOfTasks(plan), kind).toEqual([])
      expect(indexesOf(plan), kind).toEqual(
        expect.arrayContaining(['idx_async_tasks_created_at', 'idx_async_tasks_due']),
      )
      expect(indexesOf(plan), kind).not.toContain('idx_async_tasks_status')
    }
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
})

/** A page's own rows are sorted once more, and the few that run. */
const isLarge = (node: PlanNode) => node['Plan Rows'] > 60

function isOurs(node: PlanNode): boolean {
  return node['Relation Name']?.startsWith('async_task') ?? false
}
