import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Real bars of 2019, kept beside the clone: too big, and not ours, to be committed. */
export const MARKET_DATA = fileURLToPath(new URL('../../../../shared/market-data', import.meta.url))

export const hasMarketData = existsSync(MARKET_DATA)
