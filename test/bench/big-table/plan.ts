import { randomUUID } from 'node:crypto'
import { createDatabase } from '../../../src/db/database.ts'
import { claimTasks } from '../../support/claim-tasks.ts'
import { buffersOf, explain, nodesOf, noting, type SentStatement } from '../explain.ts'
import type { Subject } from '../subject.ts'

const LIMIT = 500

/** How PostgreSQL carries the claim out, and what it touches for each row. */
export async function explainClaim(subject: Subject) {
  const { process, pool } = subject
  await process.open({ tuning: 'throughput', concurrency: null })
  await process.createMany({ batches: 1, size: LIMIT })
  await process.close()
  await pool.query('vacuum async_tasks')

  const sent: SentStatement[] = []
  const db = noting(createDatabase(pool, { prepared: true }), sent)
  // A limit of nothing takes nothing; the same statement is then explained with a real one.
  await claimTasks(db, randomUUID(), ['noop'], 0)
  const [statement] = sent
  if (!statement) throw new Error('the claim sent no statement')
  const values = statement.values.map((value) => (value === 0 ? LIMIT : value))
  const { lines, plan } = await explain(pool, { text: statement.text, values })
  const nodes = nodesOf(plan)
  const pick = nodes.find((node) => node['Node Type'] === 'Limit')
  await pool.query(`delete from async_tasks where task_type = 'noop' and status = 'pending'`)
  return {
    lines,
    summary: {
      rows: plan['Actual Rows'],
      nodeTypes: [...new Set(nodes.map((node) => node['Node Type']))],
      sorts: nodes.some((node) => node['Node Type'].includes('Sort')),
      scansAll: nodes.some((node) => node['Node Type'] === 'Seq Scan'),
      buffersPerRow: perRow(buffersOf(plan)),
      /** Of finding and locking the rows alone, without changing them. */
      buffersPerRowPicked: pick ? perRow(buffersOf(pick)) : null,
    },
  }
}

const perRow = (buffers: number) => Number((buffers / LIMIT).toFixed(1))
