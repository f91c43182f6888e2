import type { TaskRegistry } from '../../engine/definition/registry.ts'
import { backfill } from './backfill.ts'
import type { Market } from './market.ts'
import { backfillByRangeParams } from './params.ts'

/** Loads the bars of every trading day in a range; each day is committed on its own. */
export function registerBackfillByRange(registry: TaskRegistry, market: Market) {
  return registry.task('backfill_by_range', { params: backfillByRangeParams(market.today) })(
    ({ startDate, endDate, ...target }, ctx) =>
      backfill(market, ctx, { from: startDate, to: endDate }, target),
  )
}
