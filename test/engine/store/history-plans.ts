import { type captureStatements, explain, type PlanNode } from '../../support/plans.ts'
import { type TaskTables, useTaskTables } from '../../support/task-rows.ts'

export const KINDS = ['custom', 'generic'] as const

// A table with a past: that is where a plan that scans or sorts hurts.
const HISTORY = `insert into async_tasks (task_id, task_type, status, created_at, started_at, completed_at, attempt)
  select 'task_h' || n, 'type' || n % 5, (array['completed', 'failed', 'cancelled'])[1 + (n % 100 > 97)::int + (n % 100 > 98)::int],
         now() - n * interval '1 second', now(), now(), 1
    from generate_series(1, 100000) n`
export const BACKLOG = `insert into async_tasks (task_id, task_type, priority)
  select 'task_p' || n, 'type' || n % 5, n % 3 from generate_series(1, 2000) n`

interface History {
  readonly tables: TaskTables
  explainOne(
    statement: Awaited<ReturnType<typeof captureStatements>>[number] | undefined,
    kind: (typeof KINDS)[number],
    settings?: string,
  ): Promise<PlanNode[]>
}

/** The history and the backlog, a copy for each test, and how statements are planned on it. */
export function useHistory(): History {
  const tables = useTaskTables(async (pool) => {
    await pool.query(HISTORY)
    await pool.query(BACKLOG)
    await pool.query('vacuum analyze async_tasks')
  })
  return {
    tables,
    async explainOne(statement, kind, settings) {
      if (!statement) throw new Error('the statement was not sent')
      return explain(tables.pool, statement, kind, settings)
    },
  }
}

export const scansOfTasks = (plan: readonly PlanNode[]) =>
  plan.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === 'async_tasks')

export const indexesOf = (plan: readonly PlanNode[]) => plan.flatMap((node) => node['Index Name'] ?? [])

export const sortsAndScans = (plan: readonly PlanNode[]) =>
  plan.map((node) => node['Node Type']).filter((type) => /Sort|Seq Scan|Bitmap/.test(type))
