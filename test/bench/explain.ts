import type { Database } from '../../src/db/database.ts'
import type { Pool } from './server.ts'

export interface SentStatement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** A database that notes what is sent through it; everything is carried out as usual. */
export function noting(db: Database, sent: SentStatement[]): Database {
  const pool = new Proxy(db.pool, {
    get(target, key) {
      if (key !== 'query') return Reflect.get(target, key)
      return (config: SentStatement) => {
        sent.push(config)
        return target.query({ ...config, values: [...config.values] })
      }
    },
  })
  return { ...db, pool }
}

export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly 'Actual Rows': number
  readonly Plans?: readonly PlanNode[]
}

/** Carries a statement out under EXPLAIN with a plan for any values, as a prepared one gets, and takes it back. */
export async function explain(
  pool: Pool,
  { text, values }: SentStatement,
): Promise<{ lines: string[]; plan: PlanNode }> {
  const client = await pool.connect()
  try {
    await client.query(`set plan_cache_mode = force_generic_plan`)
    await client.query(`prepare explained as ${text}`)
    const literals = values.map((value) => client.escapeLiteral(toText(value))).join(', ')
    const run = async (format: string) => {
      await client.query('begin')
      const { rows } = await client.query(
        `explain (analyze, buffers, format ${format}) execute explained(${literals})`,
      )
      await client.query('rollback')
      return rows.map((row: { 'QUERY PLAN': unknown }) => row['QUERY PLAN'])
    }
    const lines = (await run('text')) as string[]
    const [plans] = (await run('json')) as [[{ Plan: PlanNode }]]
    return { lines, plan: plans[0].Plan }
  } finally {
    // The session has been changed: nobody else may have it.
    client.release(true)
  }
}

export function buffersOf(node: PlanNode): number {
  return node['Shared Hit Blocks'] + node['Shared Read Blocks']
}

export function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

function toText(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map((item) => JSON.stringify(item)).join(',')}}`
  return value instanceof Date ? value.toISOString() : String(value)
}
