import { randomUUID } from 'node:crypto'
import { createPool } from '../../../src/db/client.ts'
import { createDatabase, type Database } from '../../../src/db/database.ts'
import type { ClaimedTask } from '../../../src/engine/store/claim.ts'
import { createClaims } from '../../support/claim-tasks.ts'
import { now } from '../process/commands.ts'
import { percentile } from '../statistics.ts'
import type { Session } from '../system.ts'
import { ceiling, completeAll } from '../systems/ceiling.ts'

const LIMIT = 50
const ROUNDS = 400
/** A connection's first executions plan anew each time. */
const WARM_UP = 20

interface Table {
  readonly db: Database
  readonly session: Session
  readonly claim: (limit: number) => Promise<ClaimedTask[]>
  readonly claimMs: number[]
  readonly emptyMs: number[]
}

/** Claims, and looks that find nothing, on two databases by turns: what disturbs the machine meets both. */
export async function measureClaims(emptyUrl: string, bigUrl: string) {
  const executorId = randomUUID()
  const tables = await Promise.all([emptyUrl, bigUrl].map((url) => open(url, executorId)))
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { db, session, claim, claimMs, emptyMs } of tables) {
      await session.createMany(Array.from({ length: LIMIT }, (_, i) => i))
      const claimed = await timed(claimMs, () => claim(LIMIT))
      if (claimed.length !== LIMIT) throw new Error(`a claim of ${LIMIT} took ${claimed.length}`)
      await completeAll(db, executorId, claimed)
      await timed(emptyMs, () => claim(LIMIT))
    }
  }
  for (const { db, session } of tables) {
    await session.close()
    await db.pool.end()
  }
  const [empty, big] = tables.map(({ claimMs, emptyMs }) => ({
    claim: spread(claimMs),
    emptyLook: spread(emptyMs),
  }))
  return { limit: LIMIT, empty, big, p99Ratio: (big?.claim.p99Ms ?? Number.NaN) / (empty?.claim.p99Ms ?? 1) }
}

async function open(url: string, executorId: string): Promise<Table> {
  const db = createDatabase(createPool({ connectionString: url, max: 1 }), { prepared: true })
  const session = await ceiling.open(url, { tuning: 'throughput' })
  return { db, session, claim: createClaims(db, executorId, ['noop']), claimMs: [], emptyMs: [] }
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const from = now()
  const value = await work()
  into.push(now() - from)
  return value
}

export function spread(all: readonly number[]): { p50Ms: number; p99Ms: number } {
  const values = all.slice(Math.min(WARM_UP, Math.floor(all.length / 2)))
  const round = (share: number) => Number(percentile(values, share).toFixed(2))
  return { p50Ms: round(0.5), p99Ms: round(0.99) }
}
