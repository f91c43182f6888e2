import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createPool } from '../../../src/db/client.ts'
import { createDatabase, type Database } from '../../../src/db/database.ts'
import { migrate } from '../../../src/db/migrate.ts'
import { newTaskId } from '../../../src/engine/create/task-ids.ts'
import type { ClaimedTask } from '../../../src/engine/store/claim.ts'
import { completeTasks } from '../../../src/engine/store/finish.ts'
import { insertTasks } from '../../../src/engine/store/insert.ts'
import { createClaims } from '../../support/claim-tasks.ts'
import type { OpenOptions, Session, System } from '../system.ts'
import { OUR_SQL } from './ours.ts'

const CONNECTIONS = 2
const BATCH = 500

/** Our own statements in a bare loop: what PostgreSQL allows, had the engine around them no cost at all. */
async function open(url: string, { runs }: OpenOptions): Promise<Session> {
  const pool = createPool({ connectionString: url, max: CONNECTIONS })
  const db = createDatabase(pool, { prepared: true })
  const stop = new AbortController()
  const loops = runs ? Array.from({ length: CONNECTIONS }, () => loop(db, runs.onStart, stop.signal)) : []
  return {
    create: (n) => insertTasks(db, [newTask(n)]),
    createMany: (numbers) => insertTasks(db, numbers.map(newTask)),
    async close() {
      stop.abort()
      await Promise.all(loops)
      await pool.end()
    },
  }
}

async function loop(
  db: Database,
  onStart: NonNullable<OpenOptions['runs']>['onStart'],
  stop: AbortSignal,
): Promise<void> {
  const executorId = randomUUID()
  const claim = createClaims(db, executorId, ['noop'])
  while (!stop.aborted) {
    const claimed = await claim(BATCH)
    for (const { params } of claimed) void onStart(Number(params?.n))
    if (claimed.length === 0) await delay(5)
    else await completeAll(db, executorId, claimed)
  }
}

/** Another loop's claim may have locked a row for a moment: it is passed over, and tried again. */
export async function completeAll(
  db: Database,
  executorId: string,
  claimed: readonly ClaimedTask[],
): Promise<void> {
  let left = claimed.map(({ id, taskId, attempt }) => {
    return { id, taskId, attempt, result: null, last: undefined }
  })
  while (left.length > 0) {
    const written = await completeTasks(db, executorId, left)
    left = left.filter((_, i) => !written[i])
  }
}

function newTask(n: number) {
  return {
    taskId: newTaskId(),
    taskType: 'noop',
    params: new Map([['n', String(n)]]),
    priority: 0,
    runAt: null,
    delayMs: 0,
    maxRetries: 3,
    timeoutSeconds: 14_400,
    createdBy: null,
    uniqueKey: null,
    onDuplicate: 'return' as const,
    maxDelayMs: null,
    rateKey: null,
    concurrencyKey: null,
    expiresAt: null,
  }
}

export const ceiling: System = {
  name: 'ceiling',
  mode: `our statements in a bare loop; runs: ${CONNECTIONS} connections, batches of ${BATCH}`,
  rows: 'kept',
  measures: ['create-1', 'bulk', 'run', 'pick-up'],
  tasksToRun: 50_000,
  concurrency: CONNECTIONS * BATCH,
  sql: OUR_SQL,
  prepare: (url) => migrate(url, 'tasks', { mode: 'auto' }),
  open,
}
