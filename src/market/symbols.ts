/** Six digits without the exchange, as in `stocks.symbol`. Text: leading zeros count. */
export type Symbol6 = string

const SHANGHAI = /^(60|68|90)/
const SHENZHEN = /^(00|20|30)/
/** Beijing: 920xxx for all since October 2025, 43, 83 and 87 before. */
const BEIJING = /^(43|83|87|92)/
const A_SHARE = /^(60|68|00|30|43|83|87|92)/

/**
 * The symbol in a Tushare code: `000001.SZ` → `000001`. Null for what lists elsewhere (`00700.HK`), and for
 * Shanghai's indices, which share numbers with Shenzhen's stocks (`000001.SH` is not Ping An Bank).
 */
export function symbolOfTsCode(tsCode: string): Symbol6 | null {
  const parts = /^(\d{6})\.(SH|SZ|BJ)$/.exec(tsCode)
  const symbol = parts?.[1]
  if (!symbol) return null
  const home = exchangeOf(symbol)
  return home === null || home === parts[2] ? symbol : null
}

/** The Tushare code of a stock; null for a number that no exchange gives to stocks. */
export function tsCodeOf(symbol: Symbol6): string | null {
  const exchange = exchangeOf(symbol)
  return exchange && `${symbol}.${exchange}`
}

/** B shares (200xxx, 900xxx), funds and bonds are not loaded. */
export function isAShare(symbol: Symbol6): boolean {
  return A_SHARE.test(symbol)
}

function exchangeOf(symbol: Symbol6): 'SH' | 'SZ' | 'BJ' | null {
  if (SHANGHAI.test(symbol)) return 'SH'
  if (SHENZHEN.test(symbol)) return 'SZ'
  return BEIJING.test(symbol) ? 'BJ' : null
}
