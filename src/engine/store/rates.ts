import { type Database, execute, statement } from '../../db/database.ts'
import type { TypeLimits, TypeRate } from '../definition/limits.ts'
import { countsFor, pendingKeys } from './claim-branches.ts'
import { STARTS } from './tables.ts'

/** A type whose starts are limited. */
export interface RatedType {
  readonly taskType: string
  readonly rate: TypeRate
}

export function ratedTypes(types: readonly TypeLimits[]): RatedType[] {
  return types.flatMap(({ taskType, rate }) => (rate ? [{ taskType, rate }] : []))
}

/** No type has a rate limit, some have, or some have one by key. */
export type Rates = 'absent' | 'by type' | 'by key'

export function ratesOf(rated: readonly RatedType[]): Rates {
  if (rated.length === 0) return 'absent'
  return rated.some(({ rate }) => rate.keyed) ? 'by key' : 'by type'
}

// $1: type, $2: starts, $3: for so many milliseconds each, $4: by key. The permit of a key returns when its start number
// $2, counted back from the last one, no longer counts. Tasks without a key have the key ''.
const NEXT_PERMIT = statement(
  'next_permit',
  `with recursive ${pendingKeys('rate_key', '$1::text')}
   select (select extract(epoch from min(nth.started_at + $3::float8 * interval '1 millisecond')) * 1000
             from (select '' as key union all select key from keys where key is not null and $4::boolean) all_keys
            cross join lateral (select s.started_at from ${STARTS} s
                                 where s.task_type = $1 and s.rate_key = all_keys.key and ${countsFor('s', '$3::float8')}
                                 order by s.started_at desc offset $2::int - 1 limit 1) nth)::float8 as at`,
)

/**
 * When the next permit becomes free, in milliseconds of the database's clock, of the type or of the first of its keys
 * that has none; null: none is missing.
 */
export async function findNextPermit(
  db: Database,
  { taskType, rate: { max, windowMs, keyed } }: RatedType,
): Promise<number | null> {
  const [row] = await execute<{ at: number | null }>(db, NEXT_PERMIT, [taskType, max, windowMs, keyed])
  return row?.at ?? null
}

// Twice as long as they count, for processes of another version with a longer window.
const DELETE_OLD = statement(
  'delete_old_starts',
  `delete from ${STARTS} s
    using unnest($1::text[], $2::float8[]) as u (task_type, window_ms)
    where s.task_type = u.task_type and s.started_at < now() - 2 * u.window_ms * interval '1 millisecond'`,
)

export async function deleteOldStarts(db: Database, types: readonly RatedType[]): Promise<void> {
  await execute(db, DELETE_OLD, [
    types.map(({ taskType }) => taskType),
    types.map(({ rate }) => rate.windowMs),
  ])
}

const DELETE_UNUSED = statement(
  'delete_unused_starts',
  `delete from ${STARTS} where started_at < now() - interval '61 days'`,
)

/** Those of types that no longer have a limit. */
export async function deleteUnusedStarts(db: Database): Promise<void> {
  await execute(db, DELETE_UNUSED, [])
}
