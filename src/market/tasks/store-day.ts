import type { TaskContext } from '../../engine/definition/context.ts'
import { judgeBars } from '../bars.ts'
import type { Day } from '../days.ts'
import type { DailyBar } from '../sources/source.ts'
import { type BarCounts, countStocksWithoutBar, saveBars } from '../store/bars.ts'
import { markUnitFinished } from '../store/finished-units.ts'
import { writeUnit } from '../store/write-unit.ts'
import type { Symbol6 } from '../symbols.ts'
import type { Market } from './market.ts'
import { warnOfFaults } from './source-call.ts'

/** Faulty bars named in a day's warning. */
const MAX_NAMED_FAULTS = 20
/** A day of which more than this share of the listed stocks has no bar is published in part. */
const MISSING_SHARE = 0.1

/** What the source has of one trading day. */
export interface SourceDay {
  readonly day: Day
  readonly bars: readonly DailyBar[]
  /** Rows that could not be read. */
  readonly unreadable: readonly string[]
}

export interface DayResult extends BarCounts {
  readonly invalid: number
  readonly suspended: number
  readonly missing: number
  readonly daysEmpty: number
}

export interface DayTarget {
  /** Null: every stock. */
  readonly symbols: readonly Symbol6[] | null
  readonly overwrite: boolean
}

/** Stores a day's bars. A day that is empty, refused or published in part is not marked as finished: a retry asks again. */
export async function storeDay(
  market: Market,
  ctx: TaskContext,
  given: SourceDay,
  { symbols, overwrite }: DayTarget,
): Promise<DayResult> {
  const { day, unreadable } = given
  const { bars, suspended, faults } = judgeBars(given.bars, day)
  warnOfFaults(ctx, day, unreadable)
  if (faults.length > 0) {
    ctx.log.warn(`${day}: ${faults.length} bars are refused`, { faults: faults.slice(0, MAX_NAMED_FAULTS) })
  }
  const isEmpty = given.bars.length + unreadable.length === 0
  const { saved, missing, listed } = await writeUnit(market.pool, ctx, async (client) => {
    const saved = await saveBars(client, day, bars, overwrite)
    const answered = given.bars.map(({ symbol }) => symbol)
    const { missing, listed } = await countStocksWithoutBar(client, day, symbols, answered)
    const isPartial = bars.length + suspended === 0 || missing > MISSING_SHARE * listed
    if (!isPartial) await markUnitFinished(client, ctx.taskId, unitOfDay(day))
    return { saved, missing, listed }
  })
  if (isEmpty) reportEmptyDay(market, ctx, day, symbols)
  else if (missing > MISSING_SHARE * listed) {
    ctx.log.warn(
      `${day}: ${missing} of ${listed} listed stocks have no bar; the day may be published in part`,
    )
  }
  if (bars.length > 0 && saved.unknown === bars.length) {
    ctx.log.warn(
      `${day}: none of the ${bars.length} bars is of a stock that is loaded (${bars[0]?.symbol}, …); run init_stocks, or check the codes`,
    )
  }
  const invalid = faults.length + unreadable.length
  return { ...saved, invalid, suspended, missing: isEmpty ? 0 : missing, daysEmpty: isEmpty ? 1 : 0 }
}

export function unitOfDay(day: Day): string {
  return `day ${day}`
}

/** One stock without a bar was suspended; a whole market without bars is a source that is not ready. */
function reportEmptyDay(
  { source, today }: Market,
  ctx: TaskContext,
  day: Day,
  symbols: readonly Symbol6[] | null,
): void {
  const message = `${day}: source '${source.name}' has no bars`
  if (day === today()) ctx.log.warn(`${message} yet; load the day again after the close`)
  else if (symbols === null) ctx.log.warn(`${message} for this trading day`)
  else ctx.log.debug(`${message} of these stocks: suspended, or not listed then`)
}
