import type pg from 'pg'
import type { Database } from '../../db/database.ts'
import type { EngineSchema } from '../../db/engine-schema.ts'
import type { Illness } from './illness.ts'
import type { ServerFacts } from './store/server.ts'

/** What is examined. */
export interface Patient {
  readonly pool: pg.Pool
  readonly db: Database
  readonly schema: EngineSchema
  readonly directUrl: string
  /** `directUrl` is known, not only the pool's. */
  readonly knowsDirect: boolean
  readonly facts: ServerFacts
  /** A pooler stands between. */
  readonly isPooled: boolean
  /** As the processes have it. */
  readonly prepared: boolean
  /** Size of the pool of each process, if it is known. */
  readonly poolMax: number | undefined
}

/** Finds illnesses, and as text what it could not check. */
export type Check = (patient: Patient) => Promise<readonly (Illness | string)[]>

/** Such as `3 minutes`. */
export function duration(seconds: number): string {
  const [size, unit] = seconds < 120 ? [1, 'seconds'] : seconds < 7_200 ? [60, 'minutes'] : [3_600, 'hours']
  return `${Math.round(seconds / size)} ${unit}`
}

/** Names, and how many more there are. */
export function listed(names: readonly string[], most = 5): string {
  const more = names.length - most
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ')
}
