import type { Day } from './days.ts'
import type { DailyBar } from './sources/source.ts'

/** A bar that may be stored. */
export interface Bar {
  readonly symbol: string
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  readonly amount: number | null
}

export interface BarFault {
  readonly symbol: string
  readonly fault: string
}

/** A day's response, sorted into what may be stored and what may not. */
export interface JudgedBars {
  /** At most one a symbol, ordered by symbol: every writer locks rows in the same order. */
  readonly bars: readonly Bar[]
  /** Stocks that did not trade: no volume. They get no row, rather than a row of zeros. */
  readonly suspended: number
  readonly faults: readonly BarFault[]
}

/** Far above any price there was, and within the columns. */
const MAX_PRICE = 1_000_000
const MAX_AMOUNT = 1e15

/**
 * Judges the bars that a source gave for `day`. The size of a day's move is no criterion: first days and the
 * recovery from a limit-down go beyond any fixed percentage.
 */
export function judgeBars(response: readonly DailyBar[], day: Day): JudgedBars {
  const bySymbol = new Map<string, Bar>()
  const faults: BarFault[] = []
  let suspended = 0
  for (const raw of response) {
    if (raw.date === day && isSuspended(raw)) {
      suspended += 1
      continue
    }
    const verdict = judge(raw, day)
    // Pages may overlap while the source is being written: the later row wins.
    if (typeof verdict === 'string') faults.push({ symbol: raw.symbol, fault: verdict })
    else bySymbol.set(verdict.symbol, verdict)
  }
  const bars = [...bySymbol.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1))
  return { bars, suspended, faults }
}

/** A missing volume beside an amount is a fault: that stock was traded. */
function isSuspended({ volume, amount, open }: DailyBar): boolean {
  return volume === 0 || (volume === null && (open === null || amount === null || amount === 0))
}

/** The bar, or what is wrong with it. */
function judge(raw: DailyBar, day: Day): Bar | string {
  const { symbol, date, open, high, low, close, volume, amount } = raw
  if (date !== day) return `is dated ${date ?? 'nothing'}, not ${day}`
  if (!isPrice(open) || !isPrice(high) || !isPrice(low) || !isPrice(close)) {
    return `has a price that is none (${open}, ${high}, ${low}, ${close})`
  }
  if (low > Math.min(open, close) || high < Math.max(open, close)) {
    return `has prices out of order (open ${open}, high ${high}, low ${low}, close ${close})`
  }
  if (volume === null || !Number.isSafeInteger(volume) || volume < 0) return `has volume ${volume}`
  if (amount !== null && !(amount >= 0 && amount <= MAX_AMOUNT)) return `has amount ${amount}`
  return { symbol, open, high, low, close, volume, amount }
}

function isPrice(value: number | null): value is number {
  return value !== null && value > 0 && value <= MAX_PRICE
}
