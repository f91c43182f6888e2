import type { TaskContext } from '../../engine/definition/context.ts'
import type { TaskRegistry } from '../../engine/definition/registry.ts'
import { isUsableName } from '../names.ts'
import type { Stock } from '../sources/source.ts'
import { countStocks, saveStocks } from '../store/stocks.ts'
import { writeUnit } from '../store/write-unit.ts'
import type { Market } from './market.ts'
import { initStocksParams } from './params.ts'
import { createCall, warnOfFaults } from './source-call.ts'
import { addCounts, noCounts } from './summary.ts'

/** Stocks committed at once. */
const CHUNK = 500
/** Symbols named in a warning. */
const MAX_NAMED = 20
/** A list shorter than this part of what is known is worth a warning. */
const EXPECTED_PART = 0.9

/** Loads the list of stocks. Names are refreshed; a stock that left the list stays, and so do its bars. */
export function registerInitStocks(registry: TaskRegistry, market: Market) {
  return registry.task('init_stocks', { params: initStocksParams })(async (_params, ctx) => {
    ctx.log.info(`loading the list of stocks from source '${market.source.name}'`)
    ctx.progress(0, 0, 'listing stocks')
    const { stocks, invalid } = await listStocks(market, ctx)
    let counts = noCounts()
    for (let done = 0; done < stocks.length; ) {
      ctx.signal.throwIfAborted()
      ctx.progress(done, stocks.length, 'saving stocks')
      const chunk = stocks.slice(done, done + CHUNK)
      counts = addCounts(counts, await writeUnit(market.pool, ctx, (client) => saveStocks(client, chunk)))
      done += chunk.length
    }
    ctx.progress(stocks.length, stocks.length)
    const result = { ...counts, invalid }
    ctx.log.info(
      `${stocks.length} stocks: ${counts.created} created, ${counts.updated} updated, ${counts.skipped} unchanged`,
      result,
    )
    return result
  })
}

/**
 * The source's list, without rows that cannot be stored.
 *
 * @throws Error when it is empty: no market is, so the source had a bad moment
 */
async function listStocks(
  { pool, source }: Market,
  ctx: TaskContext,
): Promise<{ stocks: Stock[]; invalid: number }> {
  const call = createCall(ctx)
  const listed = await source.stocks(call)
  warnOfFaults(ctx, 'the list of stocks', call.faults)
  if (listed.length === 0) throw new Error(`source '${source.name}' answered with an empty list of stocks`)
  const stocks = listed.filter((stock) => isUsableName(stock.name))
  const nameless = listed.filter((stock) => !stocks.includes(stock)).map(({ symbol }) => symbol)
  if (nameless.length > 0) {
    ctx.log.warn(
      `${nameless.length} stocks without a usable name are left out: ${nameless.slice(0, MAX_NAMED)}`,
    )
  }
  const known = await countStocks(pool)
  if (stocks.length < EXPECTED_PART * known) {
    ctx.log.warn(`the list names ${stocks.length} stocks where ${known} are known; none is removed`)
  }
  return { stocks, invalid: nameless.length + call.faults.length }
}
