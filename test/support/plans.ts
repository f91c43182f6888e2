import pg from 'pg'
import { vi } from 'vitest'

export interface PlanNode {
  readonly 'Node Type': string
  /** Pages read, by this node and those below it; only of a statement that was run. */
  readonly 'Shared Hit Blocks'?: number
  readonly 'Shared Read Blocks'?: number
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Plan Rows': number
  readonly Plans?: readonly PlanNode[]
}

interface SentStatement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** The statements that `work` sends through the pool; they do run. */
export async function captureStatements(
  pool: pg.Pool,
  work: () => Promise<unknown>,
): Promise<SentStatement[]> {
  const query = vi.spyOn(pool, 'query')
  try {
    await work()
    return query.mock.calls.map((call: unknown[]) => {
      const [config, values] = call as [{ text: string; values?: unknown[] }, unknown[]?]
      return { text: config.text, values: config.values ?? values ?? [] }
    })
  } finally {
    query.mockRestore()
  }
}

/** The statements that `work` sends, each transaction's own among them. */
export async function captureAllStatements(work: () => Promise<unknown>): Promise<SentStatement[]> {
  const query = vi.spyOn(pg.Client.prototype, 'query')
  try {
    await work()
    return query.mock.calls.map(([config]: unknown[]) => {
      const { text, values = [] } =
        typeof config === 'string' ? { text: config } : (config as Partial<SentStatement> & { text: string })
      return { text, values }
    })
  } finally {
    query.mockRestore()
  }
}

/**
 * How PostgreSQL would run a statement, all nodes in a row. `generic`: with a plan made for any values, which is what
 * a prepared statement may get from its sixth execution on.
 */
export async function explain(
  pool: pg.Pool,
  { text, values }: SentStatement,
  kind: 'generic' | 'custom',
  settings = '',
  options = '',
): Promise<PlanNode[]> {
  const client = await pool.connect()
  try {
    // In one transaction: a pooler may change the session after each.
    await client.query('begin')
    if (settings) await client.query(settings)
    await client.query(`set local plan_cache_mode = force_${kind}_plan`)
    await client.query(`prepare explained as ${text}`)
    const literals = values
      .map((value) => (value === null ? 'null' : client.escapeLiteral(toText(value))))
      .join(', ')
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `explain (${options}format json) execute explained${literals && `(${literals})`}`,
    )
    // A rollback does not take it back.
    await client.query('deallocate explained')
    return rows.flatMap((row) => flatten(row['QUERY PLAN'][0].Plan))
  } finally {
    await client.query('rollback')
    client.release(true)
  }
}

/** How many pages it reads; it runs and is rolled back. */
export async function countPages(
  pool: pg.Pool,
  statement: SentStatement,
  kind: 'generic' | 'custom',
): Promise<number> {
  const [root] = await explain(pool, statement, kind, '', 'analyze, buffers, ')
  return (root?.['Shared Hit Blocks'] ?? Number.NaN) + (root?.['Shared Read Blocks'] ?? Number.NaN)
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)]
}

/** `null` inside an array stays `null`, which the array's syntax knows. */
function toText(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map((item) => JSON.stringify(item)).join(',')}}`
  return value instanceof Date ? value.toISOString() : String(value)
}
