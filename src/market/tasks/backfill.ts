import type { TaskContext } from '../../engine/definition/context.ts'
import { PermanentError } from '../../engine/definition/errors.ts'
import type { Day } from '../days.ts'
import { findIncompleteDays } from '../store/bars.ts'
import { findFinishedUnits, forgetFinishedUnits } from '../store/finished-units.ts'
import { countStocks } from '../store/stocks.ts'
import { findBoardStocks, isKnownStock } from '../store/targets.ts'
import { writeUnit } from '../store/write-unit.ts'
import type { Symbol6 } from '../symbols.ts'
import type { Market } from './market.ts'
import type { BackfillTarget } from './params.ts'
import { runUnits } from './run-units.ts'
import { createCall, warnOfFaults } from './source-call.ts'
import { type DayResult, type SourceDay, storeDay, unitOfDay } from './store-day.ts'
import { addCounts, noCounts } from './summary.ts'

/** What a backfill did, counted in bars; kept as the task's result. */
export interface BackfillResult {
  readonly created: number
  readonly updated: number
  /** Were there already: untouched, or the same. */
  readonly skipped: number
  /** Refused for what is in them, or not readable. */
  readonly invalid: number
  /** Did not trade that day. */
  readonly suspended: number
  /** Of stocks that are not in `stocks`. */
  readonly unknown: number
  /** Stocks that were listed and have no bar, summed over the days: suspended, delisted, or not published yet. */
  readonly missing: number
  /** Trading days in the range. */
  readonly days: number
  /** Trading days that needed no request. */
  readonly daysComplete: number
  /** Trading days for which the source had no bar. */
  readonly daysEmpty: number
}

/** Loads the bars of every trading day from `from` to `to`. Shared by the two backfills; a unit is a trading day. */
export async function backfill(
  market: Market,
  ctx: TaskContext,
  range: { readonly from: Day; readonly to: Day },
  target: BackfillTarget,
): Promise<BackfillResult> {
  const { from, to } = range
  const span = from === to ? from : `${from} to ${to}`
  ctx.log.info(`backfilling ${span} from source '${market.source.name}'`, { ...target })
  const call = createCall(ctx)
  const { days, assumed } = await market.calendar.between(from, to, call)
  warnOfFaults(ctx, 'the calendar', call.faults)
  if (assumed.length > 0) {
    ctx.log.warn(
      `the calendar lacks ${assumed.length} weekdays (${assumed[0]} …); they count as trading days`,
    )
  }
  let result = noResult(days.length)
  if (days.length === 0) {
    ctx.progress(0, 0, 'closed')
    ctx.log.info(`${span}: the exchange is closed, nothing to load`, { ...result })
    return result
  }
  const symbols = await resolveTarget(market, target)
  const todo = await findDaysToDo(market, ctx, days, symbols, target.overwrite)
  result = { ...result, daysComplete: days.length - todo.length }
  await runUnits<Day, SourceDay>(ctx, {
    noun: 'trading days',
    units: todo,
    done: days.length - todo.length,
    nameOf: (day) => day,
    async fetch(day, signal) {
      const call = createCall(ctx, signal)
      return {
        day,
        bars: await market.source.dailyBars(day, call, symbols ?? undefined),
        unreadable: call.faults,
      }
    },
    async write(_day, given) {
      result = addDay(result, await storeDay(market, ctx, given, { symbols, overwrite: target.overwrite }))
    },
  })
  await writeUnit(market.pool, ctx, (client) => forgetFinishedUnits(client, ctx.taskId))
  logSummary(ctx, result)
  return result
}

/** Whose bars: null for every stock. */
async function resolveTarget(
  { pool }: Market,
  { targetType, targetId = '' }: BackfillTarget,
): Promise<readonly Symbol6[] | null> {
  if ((await countStocks(pool)) === 0) {
    throw new PermanentError('there are no stocks yet: run init_stocks first')
  }
  if (targetType === 'all') return null
  if (targetType === 'stock') {
    if (await isKnownStock(pool, targetId)) return [targetId]
    throw new PermanentError(`targetId: there is no stock ${targetId}`)
  }
  const members = await findBoardStocks(pool, targetId)
  if (members === undefined) {
    throw new PermanentError(`targetId: there is no board ${targetId}; init_sectors loads them`)
  }
  if (members.length > 0) return members
  throw new PermanentError(`targetId: no member of board ${targetId} is among the stocks`)
}

/** Leaves out what an earlier attempt has done, and, unless rows are to be rewritten, what is complete. */
async function findDaysToDo(
  { pool }: Market,
  ctx: TaskContext,
  days: readonly Day[],
  symbols: readonly Symbol6[] | null,
  overwrite: boolean,
): Promise<Day[]> {
  const finished = await findFinishedUnits(pool, ctx.taskId)
  const left = days.filter((day) => !finished.has(unitOfDay(day)))
  if (left.length < days.length) {
    ctx.log.info(
      `${days.length - left.length} of ${days.length} trading days were done by an earlier attempt`,
    )
  }
  if (overwrite) return left
  const incomplete = await findIncompleteDays(pool, left, symbols)
  return left.filter((day) => incomplete.has(day))
}

function noResult(days: number): BackfillResult {
  return {
    ...noCounts(),
    invalid: 0,
    suspended: 0,
    unknown: 0,
    missing: 0,
    days,
    daysComplete: 0,
    daysEmpty: 0,
  }
}

function addDay(sum: BackfillResult, day: DayResult): BackfillResult {
  return {
    ...sum,
    ...addCounts(sum, day),
    invalid: sum.invalid + day.invalid,
    suspended: sum.suspended + day.suspended,
    unknown: sum.unknown + day.unknown,
    missing: sum.missing + day.missing,
    daysEmpty: sum.daysEmpty + day.daysEmpty,
  }
}

function logSummary(ctx: TaskContext, result: BackfillResult): void {
  const { created, updated, skipped, invalid, suspended, unknown, missing, days, daysComplete } = result
  ctx.log.info(
    `${created} bars created, ${updated} updated, ${skipped} already there, ${invalid} refused, ` +
      `${suspended} suspended, ${unknown} of unknown stocks; ${days} trading days, ${daysComplete} of them complete before`,
    { ...result },
  )
  if (missing > 0) {
    ctx.log.warn(
      `${missing} bars are missing of stocks that were listed: suspended, delisted, or not published by the source`,
    )
  }
}
