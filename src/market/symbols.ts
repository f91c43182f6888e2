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

/** Suffixes of what Tushare lists beside the stocks of mainland China: other markets, funds, indices, boards, futures. */
const FOREIGN = /^[0-9A-Z]+\.(HK|US|N|O|A|OF|CSI|MI|SI|SW|CI|TI|DC|KP|CFX|SHF|ZCE|DCE|INE|GFE)$/
/** A number that no exchange gives to stocks, such as `T00018.SH` of a company that was merged. */
const RETIRED = /^[A-Z]\d{5}\.(SH|SZ|BJ)$/

/** What a Tushare code stands for. Codes of other programs (`000001`, `sz.000001`, `600519.SS`) are malformed. */
export function classifyTsCode(tsCode: string): 'listed' | 'elsewhere' | 'malformed' {
  if (symbolOfTsCode(tsCode) !== null) return 'listed'
  const isElsewhere = /^\d{6}\.(SH|SZ|BJ)$/.test(tsCode) || FOREIGN.test(tsCode) || RETIRED.test(tsCode)
  return isElsewhere ? 'elsewhere' : 'malformed'
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
