import type { Day } from '../days.ts'
import type { Symbol6 } from '../symbols.ts'

export const BOARD_TYPES = ['industry', 'concept'] as const
export type BoardType = (typeof BOARD_TYPES)[number]

export interface Board {
  readonly code: string
  readonly name: string
  readonly type: BoardType
}

export interface Stock {
  readonly symbol: Symbol6
  readonly name: string
  /** Null where the source has none. */
  readonly listDate: Day | null
}

/** A bar in shares and yuan, as the source has it: not judged yet, and null where the source has nothing. */
export interface DailyBar {
  readonly symbol: string
  readonly date: Day | null
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  readonly volume: number | null
  readonly amount: number | null
}

export interface CalendarDay {
  readonly day: Day
  readonly isOpen: boolean
}

/** What a caller gives to each call of a source: when to stop, and where to report. */
export interface SourceCall {
  readonly signal: AbortSignal
  /** A row that cannot be read and is left out: where it is and what is wrong, in one sentence. */
  fault(problem: string): void
  /** What the reader of the task's log should know, such as a long wait. */
  note(message: string): void
}

/**
 * Where market data comes from: the port behind which the adapters stand.
 *
 * One instance serves all tasks of a process, so that its rate limit is theirs together. Every call stops soon
 * after its signal aborts, with the signal's reason. A row that cannot be read is reported and left out. What a new
 * attempt cannot cure (a wrong token, no permission, a file in another encoding) is a `PermanentError`; anything else
 * may be tried again.
 */
export interface MarketSource {
  readonly name: string
  /** The exchange's calendar, as far as the source knows it: days may be absent. */
  calendar(from: Day, to: Day, call: SourceCall): Promise<CalendarDay[]>
  /** Changes when the calendar does. A source without it is asked once a day for the current year. */
  calendarVersion?(): Promise<string | undefined>
  /** Listed A-shares. */
  stocks(call: SourceCall): Promise<Stock[]>
  boards(type: BoardType | undefined, call: SourceCall): Promise<Board[]>
  /** Who is in a board, stocks that `stocks()` does not list included. */
  boardMembers(board: Board, call: SourceCall): Promise<Symbol6[]>
  /**
   * One trading day's bars, unadjusted; suspended stocks have none.
   *
   * @param symbols these only; the whole market when left out
   */
  dailyBars(date: Day, call: SourceCall, symbols?: readonly Symbol6[]): Promise<DailyBar[]>
}

/** Lots of 100 shares (手) as shares. Rounded: 539386.32 × 100 is not an integer in binary. */
export function lotsToShares(lots: number | null): number | null {
  return lots === null ? null : Math.round(lots * 100)
}

/** Thousands of yuan (千元) as yuan, exact to the fen. */
export function thousandsToYuan(thousands: number | null): number | null {
  return thousands === null ? null : Math.round(thousands * 100_000) / 100
}
