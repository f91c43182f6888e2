import { type Day, isWeekend, listDays } from '../days.ts'
import type { Symbol6 } from '../symbols.ts'
import { SAMPLE_BOARDS, SAMPLE_STOCKS } from './sample-universe.ts'
import type { Board, DailyBar, MarketSource, Stock } from './source.ts'

/** Month and day of the weekdays on which the sample's exchange is closed, every year. */
const HOLIDAYS = new Set(
  ['01-01', '04-05', '05-01', '05-02', '05-03'].concat([
    '10-01',
    '10-02',
    '10-03',
    '10-04',
    '10-05',
    '10-06',
    '10-07',
  ]),
)
/** One stock-day in so many is suspended. */
const SUSPENDED_ONE_IN = 97

/**
 * A market made of arithmetic: needs no network and no files, knows every day, and gives the same answer to the
 * same question always, because each figure is derived from symbol and date alone.
 */
export function createSampleSource(): MarketSource {
  return {
    name: 'sample',
    async calendar(from, to, { signal }) {
      signal.throwIfAborted()
      return listDays(from, to).map((day) => ({ day, isOpen: isOpen(day) }))
    },
    async stocks({ signal }) {
      signal.throwIfAborted()
      return [...SAMPLE_STOCKS]
    },
    async boards(type, { signal }) {
      signal.throwIfAborted()
      return SAMPLE_BOARDS.filter((board) => type === undefined || board.type === type)
    },
    async boardMembers(board, { signal }) {
      signal.throwIfAborted()
      return SAMPLE_STOCKS.filter((stock) => isMember(stock, board)).map((stock) => stock.symbol)
    },
    async dailyBars(date, { signal }, symbols) {
      signal.throwIfAborted()
      if (!isOpen(date)) return []
      const wanted = symbols && new Set(symbols)
      return SAMPLE_STOCKS.filter(
        (stock) => (!wanted || wanted.has(stock.symbol)) && trades(stock, date),
      ).map((stock) => barOf(stock.symbol, date))
    },
  }
}

function isOpen(day: Day): boolean {
  return !isWeekend(day) && !HOLIDAYS.has(day.slice(5))
}

/** Each stock has one industry; a concept takes one stock in eight. */
function isMember(stock: Stock, board: Board): boolean {
  if (board.type === 'concept') return hash(`${board.code}/${stock.symbol}`) % 8 === 0
  const industries = SAMPLE_BOARDS.filter((candidate) => candidate.type === 'industry')
  return industries[hash(`industry/${stock.symbol}`) % industries.length] === board
}

function trades(stock: Stock, day: Day): boolean {
  const listed = stock.listDate === null || stock.listDate <= day
  return listed && hash(`suspended/${stock.symbol}/${day}`) % SUSPENDED_ONE_IN !== 0
}

/** Close follows slow waves around the stock's own level, so that charts look like prices and not like noise. */
function barOf(symbol: Symbol6, date: Day): DailyBar {
  const dayNumber = Date.parse(`${date}T00:00:00Z`) / 86_400_000
  const close = priceAt(symbol, dayNumber)
  const open = roundToFen(
    priceAt(symbol, dayNumber - 1) * (0.995 + 0.01 * fraction(`open/${symbol}/${date}`)),
  )
  const high = roundToFen(Math.max(open, close) * (1 + 0.02 * fraction(`high/${symbol}/${date}`)))
  const low = roundToFen(Math.min(open, close) * (1 - 0.02 * fraction(`low/${symbol}/${date}`)))
  const volume = 100 * (1_000 + (hash(`volume/${symbol}/${date}`) % 900_000))
  return { symbol, date, open, high, low, close, volume, amount: roundToFen((volume * (open + close)) / 2) }
}

function priceAt(symbol: Symbol6, dayNumber: number): number {
  const level = 3 + 97 * fraction(`level/${symbol}`)
  const phase = 2 * Math.PI * fraction(`phase/${symbol}`)
  const wave = 0.3 * Math.sin(dayNumber / 180 + phase) + 0.08 * Math.sin(dayNumber / 17 + 3 * phase)
  const noise = 0.02 * (fraction(`noise/${symbol}/${dayNumber}`) - 0.5)
  return roundToFen(level * Math.exp(wave + noise))
}

function roundToFen(yuan: number): number {
  return Math.round(yuan * 100) / 100
}

function fraction(seed: string): number {
  return hash(seed) / 2 ** 32
}

/** FNV-1a with a final mix: 32 bits, the same on every machine. Not for secrets. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  }
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
  return (state ^ (state >>> 13)) >>> 0
}
