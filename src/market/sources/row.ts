import { type Day, parseDay } from '../days.ts'
import { isUsableName } from '../names.ts'
import { classifyTsCode, type Symbol6, symbolOfTsCode } from '../symbols.ts'
import type { SourceCall } from './source.ts'

/** A row that cannot be read. The message names where the row is, the column and the value. */
export class RowFault extends Error {
  override readonly name = 'RowFault'
}

/** Characters of a value in a message. */
const MAX_SHOWN = 60
/** No thousands separators, no hexadecimal, no `nan`: those would be read as another number, or as none. */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/

/** One row of a source, read by column name: cells are text in files, text or numbers over HTTP. */
export class Row {
  readonly #place: string
  readonly #cellOf: (column: string) => string | number | null | undefined

  constructor(place: string, cellOf: (column: string) => string | number | null | undefined) {
    this.#place = place
    this.#cellOf = cellOf
  }

  fault(column: string, problem: string): RowFault {
    return new RowFault(`${this.#place}, column '${column}': ${problem}`)
  }

  /** Empty where the cell is missing. */
  optionalText(column: string): string {
    return String(this.#cellOf(column) ?? '').trim()
  }

  /** @throws RowFault when the cell is empty */
  text(column: string): string {
    const value = this.optionalText(column)
    if (value === '') throw this.fault(column, 'is empty')
    return value
  }

  /** @throws RowFault when it is no name: empty, `nan`, control characters, text of another encoding */
  usableName(column: string): string {
    const value = this.text(column)
    if (!isUsableName(value)) throw this.fault(column, `${show(value)} is not a name`)
    return value
  }

  /**
   * Null when the cell is empty.
   *
   * @throws RowFault when it is not a plain decimal number
   */
  number(column: string): number | null {
    const value = this.optionalText(column)
    if (value === '') return null
    const number = Number(value)
    if (!NUMBER.test(value) || !Number.isFinite(number)) {
      throw this.fault(column, `${show(value)} is not a number`)
    }
    return number
  }

  /**
   * Null when the cell is empty.
   *
   * @throws RowFault when it is not a date
   */
  day(column: string): Day | null {
    const value = this.optionalText(column)
    if (value === '') return null
    const day = parseDay(value)
    if (day === null) throw this.fault(column, `${show(value)} is not a date (YYYYMMDD)`)
    return day
  }

  /** @throws RowFault when it is neither 0 nor 1 */
  flag(column: string): boolean {
    const value = this.optionalText(column)
    if (value !== '0' && value !== '1') throw this.fault(column, `${show(value)} is neither 0 nor 1`)
    return value === '1'
  }

  /**
   * Null when the code is that of something that is not listed as a stock in mainland China.
   *
   * @throws RowFault when it has not the form of a code
   */
  symbol(column: string): Symbol6 | null {
    const code = this.text(column)
    if (classifyTsCode(code) === 'malformed') {
      throw this.fault(column, `${show(code)} is not a code such as 600519.SH`)
    }
    return symbolOfTsCode(code)
  }
}

/** Reads each row by itself: one that cannot be read is reported and left out. Null: the row is not for us. */
export function readRows<T>(rows: Iterable<Row>, call: SourceCall, read: (row: Row) => T | null): T[] {
  const results: T[] = []
  for (const row of rows) {
    try {
      const result = read(row)
      if (result !== null) results.push(result)
    } catch (error) {
      if (!(error instanceof RowFault)) throw error
      call.fault(error.message)
    }
  }
  return results
}

/** A value as a message may hold it: quoted, short, and on one line. */
function show(value: string): string {
  const escaped = JSON.stringify(value.slice(0, MAX_SHOWN)).slice(1, -1)
  return `'${escaped}${value.length > MAX_SHOWN ? '…' : ''}'`
}
