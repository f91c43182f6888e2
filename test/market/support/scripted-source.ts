import { type Day, isWeekend, listDays } from '../../../src/market/days.ts'
import type { Board, DailyBar, MarketSource, SourceCall, Stock } from '../../../src/market/sources/source.ts'

export interface Script {
  stocks: Stock[]
  boards: Board[]
  members: Record<string, string[]>
  /** Days of the calendar that are closed beside weekends. */
  closed: Day[]
  /** Replaces the bars of a day. */
  bars: Record<Day, DailyBar[]>
  /** Called before each answer; throws or waits to make the source fail or hang. */
  before: (request: string, signal: AbortSignal) => void | Promise<void>
}

/** A source in memory that does what the test says and remembers what it was asked. */
export class ScriptedSource implements MarketSource {
  readonly name = 'scripted'
  readonly requests: string[] = []
  readonly script: Script

  constructor(script: Partial<Script> = {}) {
    this.script = {
      stocks: ['000001', '300750', '600519'].map((symbol) => stock(symbol)),
      boards: [
        { code: 'I1', name: '银行', type: 'industry' },
        { code: 'C1', name: '锂电池', type: 'concept' },
      ],
      members: { I1: ['000001'], C1: ['300750', '688981'] },
      closed: [],
      bars: {},
      before: () => {},
      ...script,
    }
  }

  async calendar(from: Day, to: Day, { signal }: SourceCall) {
    await this.#ask(`calendar ${from.slice(0, 4)}`, signal)
    return listDays(from, to).map((day) => ({
      day,
      isOpen: !isWeekend(day) && !this.script.closed.includes(day),
    }))
  }

  async stocks({ signal }: SourceCall) {
    await this.#ask('stocks', signal)
    return this.script.stocks
  }

  async boards(type: Board['type'] | undefined, { signal }: SourceCall) {
    await this.#ask('boards', signal)
    return this.script.boards.filter((board) => type === undefined || board.type === type)
  }

  async boardMembers(board: Board, { signal }: SourceCall) {
    await this.#ask(`members ${board.code}`, signal)
    return this.script.members[board.code] ?? []
  }

  async dailyBars(date: Day, { signal }: SourceCall, symbols?: readonly string[]) {
    await this.#ask(`bars ${date}`, signal)
    const bars = this.script.bars[date] ?? this.script.stocks.map(({ symbol }) => bar(symbol, date))
    return symbols ? bars.filter(({ symbol }) => symbols.includes(symbol)) : bars
  }

  async #ask(request: string, signal: AbortSignal): Promise<void> {
    this.requests.push(request)
    await this.script.before(request, signal)
    signal.throwIfAborted()
  }

  /** What it was asked since the last look. */
  takeRequests(): string[] {
    return this.requests.splice(0)
  }
}

export function stock(symbol: string, name = `股票${symbol}`, listDate: Day | null = null): Stock {
  return { symbol, name, listDate }
}

/** A bar that may be stored, but for what the test changes. */
export function bar(symbol: string, date: Day, change: Partial<DailyBar> = {}): DailyBar {
  return {
    symbol,
    date,
    open: 10.1,
    high: 10.5,
    low: 9.9,
    close: 10.25,
    volume: 123_456,
    amount: 1_265_424.5,
    ...change,
  }
}

/** Never answers; ends when the signal aborts. */
export function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** A call that fails the test where a row cannot be read; `faults` and `notes` keep what the source reported. */
export function recordingCall(signal = new AbortController().signal) {
  const faults: string[] = []
  const notes: string[] = []
  return {
    signal,
    faults,
    notes,
    fault: (problem: string) => void faults.push(problem),
    note: (message: string) => void notes.push(message),
  }
}
