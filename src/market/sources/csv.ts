import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CsvError, parse } from 'csv-parse/sync'
import { PermanentError } from '../../tasks/errors.ts'
import { type Day, parseDay } from '../days.ts'

/** One line of a file, read by column name. Whoever reads it need not know where it stands. */
export interface CsvRow {
  /** @throws PermanentError when the field is empty */
  text(column: string): string
  /** Null when the field is empty. */
  number(column: string): number | null
  /** Null when the field is empty. */
  day(column: string): Day | null
  /** What is wrong with this line, naming file, line and column. */
  fault(column: string, problem: string): PermanentError
}

/**
 * Reads a CSV file with a header line; undefined when there is no such file.
 *
 * @throws PermanentError naming file, line and column when it is not what it should be: no retry mends a file
 */
export async function readCsv<Row>(
  folder: string,
  file: string,
  columns: readonly string[],
  signal: AbortSignal,
  read: (row: CsvRow) => Row,
): Promise<Row[] | undefined> {
  const text = await readText(join(folder, file), signal)
  if (text === undefined) return undefined
  const lines = parseLines(file, text)
  const header = lines[0]?.record ?? []
  const missing = columns.filter((column) => !header.includes(column))
  if (missing.length > 0) {
    throw new PermanentError(
      `${file}, line 1: column ${missing.map((name) => `'${name}'`).join(', ')} is missing`,
    )
  }
  const positions = new Map(header.map((name, index) => [name, index]))
  return lines.slice(1).map(({ record, line }) => read(createRow(file, line, record, positions)))
}

/** What tells one version of a file from the next; undefined when there is no such file. */
export async function versionOf(folder: string, file: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size } = await stat(join(folder, file))
    return `${mtimeMs}:${size}`
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function readText(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readFile(path, { encoding: 'utf8', signal })
  } catch (error) {
    signal.throwIfAborted()
    if (isMissing(error)) return undefined
    throw error
  }
}

interface Line {
  readonly record: readonly string[]
  readonly line: number
}

function parseLines(file: string, text: string): Line[] {
  try {
    const lineNumbers: number[] = []
    const records = parse(text, {
      bom: true,
      skip_empty_lines: true,
      trim: true,
      on_record: (record: string[], { lines }) => {
        lineNumbers.push(lines)
        return record
      },
    })
    return records.map((record, index) => ({ record, line: lineNumbers[index] ?? 0 }))
  } catch (error) {
    if (error instanceof CsvError) throw new PermanentError(`${file}: ${error.message}`)
    throw error
  }
}

function createRow(
  file: string,
  line: number,
  record: readonly string[],
  positions: ReadonlyMap<string, number>,
): CsvRow {
  const field = (column: string) => record[positions.get(column) ?? -1] ?? ''
  const fault = (column: string, problem: string) =>
    new PermanentError(`${file}, line ${line}, column '${column}': ${problem}`)
  return {
    fault,
    text(column) {
      const value = field(column)
      if (value === '') throw fault(column, 'is empty')
      return value
    },
    number(column) {
      const value = field(column)
      if (value === '') return null
      const number = Number(value)
      if (!Number.isFinite(number)) throw fault(column, `'${value}' is not a number`)
      return number
    },
    day(column) {
      const value = field(column)
      if (value === '') return null
      return parseDay(value) ?? raise(fault(column, `'${value}' is not a date (YYYYMMDD)`))
    },
  }
}

function raise(error: Error): never {
  throw error
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
