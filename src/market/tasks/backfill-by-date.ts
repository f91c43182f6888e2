import type { TaskRegistry } from '../../engine/definition/registry.ts'
import { backfill } from './backfill.ts'
import type { Market } from './market.ts'
import { backfillByDateParams } from './params.ts'

/** Loads one trading day's bars; a closed day completes with none. */
export function registerBackfillByDate(registry: TaskRegistry, market: Market) {
  return registry.task('backfill_by_date', { params: backfillByDateParams(market.today) })(
    ({ targetDate, ...target }, ctx) => backfill(market, ctx, { from: targetDate, to: targetDate }, target),
  )
}
