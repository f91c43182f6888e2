import { describe, expect, test } from 'vitest'
import { waitsSinceBefore } from '../../../src/engine/store/claim-probe.ts'
import { beat } from '../../../src/engine/store/executors.ts'
import { expireTasks } from '../../../src/engine/store/expire.ts'
import { readFeed } from '../../../src/engine/store/feed.ts'
import { findTypesToPrune, PRUNE_START, pruneStep } from '../../../src/engine/store/prune.ts'
import { failUnknownTypes, rescueTasks } from '../../../src/engine/store/rescue.ts'
import { WALK } from '../../../src/engine/store/types-present.ts'
import { claimTasks } from '../../support/claim-tasks.ts'
import { captureAllStatements, captureStatements, explain, type PlanNode } from '../../support/plans.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const PARAMS_KEY = 'async_task_params_task_id_key_key'

const KINDS = ['custom', 'generic'] as const

// A table with a past: that is where a plan that scans or sorts hurts.
const HISTORY = `insert into async_tasks (task_id, task_type, status, created_at, started_at, completed_at, attempt)
  select 'task_h' || n, 'type' || n % 5, (array['completed', 'failed', 'cancelled'])[1 + (n % 100 > 97)::int + (n % 100 > 98)::int],
         now() - n * interval '1 second', now(), now(), 1
    from generate_series(1, 100000) n`
const BACKLOG = `insert into async_tasks (task_id, task_type, priority)
  select 'task_p' || n, 'type' || n % 5, n % 3 from generate_series(1, 2000) n`

const tables = useTaskTables(async (pool) => {
  await pool.query(HISTORY)
  await pool.query(BACKLOG)
  await pool.query('vacuum analyze async_tasks')
})

describe('over 100,000 finished tasks', () => {
  test.for([1, 20])(
    'the claim of %i types walks their due tasks in order: no sort, no scan of the table',
    async (types) => {
      const plans = await explainClaims(types)
      for (const [kind, plan] of plans) {
        expect(new Set(indexesOf(plan)), kind).toEqual(
          new Set(['idx_async_tasks_due', 'async_tasks_pkey', 'async_task_types_pkey', PARAMS_KEY]),
        )
        expect(sortsAndScans(plan), kind).toEqual([])
      }
    },
  )

  test('the claim is the same with only few tasks due, and right after many more came', async () => {
    await tables.pool.query(`delete from async_tasks where status = 'pending'`)
    await tables.pool.query('vacuum analyze async_tasks')
    for (const [kind, plan] of await explainClaims(2)) expect(sortsAndScans(plan), kind).toEqual([])
    await tables.pool.query(BACKLOG.replace('2000', '50000'))
    for (const [kind, plan] of await explainClaims(2)) expect(sortsAndScans(plan), kind).toEqual([])
  })

  test('the claim is the same where many of the tasks expire, some of them long ago', async () => {
    await tables.pool.query(
      `update async_tasks set expires_at = now() + (n - 200) * interval '1 minute'
         from (select id, row_number() over (order by id) as n from async_tasks where status = 'pending') numbered
        where numbered.id = async_tasks.id and n % 2 = 0`,
    )
    await tables.pool.query('vacuum analyze async_tasks')
    for (const types of [1, 20]) {
      for (const [kind, plan] of await explainClaims(types)) {
        expect(sortsAndScans(plan), kind).toEqual([])
        expect(indexesOf(plan), kind).not.toContain('idx_async_tasks_expires')
      }
    }
  })

  test('expired tasks are found by their expiry: by each heartbeat, and by what ends them', async () => {
    const { db } = tables.createManager()
    const probes = { orphanedClaims: false, rescuable: false }
    const statements = await captureStatements(tables.pool, async () => {
      await beat(db, SOME_EXECUTOR, [], [], probes)
      await expireTasks(db)
    })
    expect(statements).toHaveLength(2)
    for (const statement of statements) {
      for (const kind of KINDS) {
        const plan = await explainOne(statement, kind)
        expect(indexesOf(plan), kind).toContain('idx_async_tasks_expires')
        expect(scansOfTasks(plan), kind).toEqual([])
      }
    }
  })

  test('the probe for older tasks walks the index of claims, also where a backlog has just gone', async () => {
    const { db } = tables.createManager()
    const [statement] = await captureStatements(tables.pool, () =>
      waitsSinceBefore(db, [{ taskType: 'type1', since: new Date().toISOString() }]),
    )
    const expectWalk = async () => {
      for (const kind of KINDS) {
        const plan = await explainOne(statement, kind)
        expect(indexesOf(plan), kind).toContain('idx_async_tasks_due')
        expect(scansOfTasks(plan), kind).toEqual([])
      }
    }
    await expectWalk()
    await tables.pool.query(BACKLOG.replace('task_p', 'task_b').replace('2000', '100000'))
    await tables.pool.query('vacuum analyze async_tasks')
    await tables.pool.query(`delete from async_tasks where status = 'pending'`)
    await expectWalk()
  })

  test('the search for unknown types hops over the backlog of the known ones', async () => {
    const { db } = tables.createManager()
    const [statement] = await captureStatements(tables.pool, () => failUnknownTypes(db, SOME_EXECUTOR, 1))
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind)
      expect(scansOfTasks(plan), kind).toEqual([])
    }
  })

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
    const ofRanges = statements.filter(({ text }) => text.includes('union all'))
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
    await tables.pool.query('vacuum analyze async_task_logs')
    const { db } = tables.createManager()
    const watched = [
      { taskId: 'task_h1', afterLine: 100 },
      { taskId: 'task_h2', afterLine: null },
    ]
    const all = {
      unfinished: ['task_p1', 'task_p2'],
      afterTask: 101_990,
      missing: [101_980, 101_985],
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
      // Of each status but running, of which there are few, and then the page's own rows.
      expect(indexesOf(plan).toSorted()).toEqual([
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
    expect(indexesOf(plan)).toEqual(['idx_async_tasks_status', 'async_tasks_pkey'])
    expect(sortsAndScans(plan.filter(isLarge))).toEqual([])
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
          const fit = ['idx_async_tasks_created_by', 'idx_async_tasks_running', 'async_tasks_pkey']
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

  test('a bulk action finds what it may change, rare or not, without a walk through the history', async () => {
    const { manager } = tables.createManager()
    for (const action of ['cancel', 'retry', 'delete'] as const) {
      const statements = await captureStatements(tables.pool, () =>
        manager.bulk({ action, filter: {}, dryRun: true }),
      )
      // What becomes of a thousand ids is another matter: before PostgreSQL 18 a table of this size is scanned for them.
      const selection = statements.find(({ text }) => text.includes('fitting'))
      expect(scansOfTasks(await explainOne(selection, 'custom')), selection?.text).toEqual([])
    }
  })

  test('a bulk action changes tasks by their ids', async () => {
    const { manager } = tables.createManager()
    const taskIds = Array.from({ length: 100 }, (_, i) => `task_h${i}`)
    for (const action of ['cancel', 'retry', 'delete'] as const) {
      const statements = await captureStatements(tables.pool, () => manager.bulk({ action, taskIds }))
      for (const statement of statements) {
        for (const kind of KINDS) {
          expect(scansOfTasks(await explainOne(statement, kind)), statement.text).toEqual([])
        }
      }
    }
  })

  test('the pruner walks a type from its oldest task on', async () => {
    const { db } = tables.createManager()
    const sent = await captureAllStatements(() => pruneStep(db, 'type1', 3_600_000, PRUNE_START))
    const settings = sent.find(({ text }) => text.startsWith('set local'))?.text
    const statement = sent.find(({ text }) => text.includes('scanned'))
    expect(settings).toBeDefined()
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind, settings)
      expect(indexesOf(plan), kind).toEqual(
        expect.arrayContaining(['idx_async_tasks_created_at', 'async_tasks_pkey']),
      )
      expect(indexesOf(plan), kind).not.toContain('idx_async_tasks_status')
      expect(scansOfTasks(plan), kind).toEqual([])
    }
    const types = await captureStatements(tables.pool, () => findTypesToPrune(db, ['type1']))
    for (const kind of KINDS) expect(scansOfTasks(await explainOne(types[0], kind))).toEqual([])
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

  test('a create with a unique key finds who has it by that', async () => {
    await rememberTypes(tables.pool, 'elsewhere')
    const { manager } = tables.createManager()
    const create = () => manager.createTask('elsewhere', { a: 1 }, { uniqueKey: 'k' })
    await create()
    const statements = await captureStatements(tables.pool, create)
    const holders = statements.find(({ text }) => text.includes('/* tasks_key_holders */'))
    for (const kind of KINDS) {
      const plan = await explainOne(holders, kind)
      expect(indexesOf(plan), kind).toContain('idx_async_tasks_unique_key')
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
      await manager.updateTask(taskId, { params: { a: 1 }, priority: 1 })
      await manager.runNow(taskId)
    })
    for (const statement of statements) {
      for (const kind of KINDS) {
        expect(scansOfTasks(await explainOne(statement, kind)), statement.text).toEqual([])
      }
    }
  })
})

async function explainClaims(types: number) {
  const { db } = tables.createManager()
  const names = Array.from({ length: types }, (_, i) => `type${i}`)
  const [statement] = await captureStatements(tables.pool, () => claimTasks(db, SOME_EXECUTOR, names, 2))
  return Promise.all(KINDS.map(async (kind) => [kind, await explainOne(statement, kind)] as const))
}

function explainOne(
  statement: Awaited<ReturnType<typeof captureStatements>>[number] | undefined,
  kind: (typeof KINDS)[number],
  settings?: string,
): Promise<PlanNode[]> {
  if (!statement) throw new Error('the statement was not sent')
  return explain(tables.pool, statement, kind, settings)
}

const scansOfTasks = (plan: readonly PlanNode[]) =>
  plan.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === 'async_tasks')

/** A page's own rows are sorted once more, and the few that run. */
const isLarge = (node: PlanNode) => node['Plan Rows'] > 60

const indexesOf = (plan: readonly PlanNode[]) => plan.flatMap((node) => node['Index Name'] ?? [])

const sortsAndScans = (plan: readonly PlanNode[]) =>
  plan.map((node) => node['Node Type']).filter((type) => /Sort|Seq Scan|Bitmap/.test(type))

function isOurs(node: PlanNode): boolean {
  return node['Relation Name']?.startsWith('async_task') ?? false
}
