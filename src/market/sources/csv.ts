import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CsvError, parse } from 'csv-parse/sync'
import { PermanentError } from '../../engine/definition/errors.ts'
import { Row } from './row.ts'
import type { SourceCall } from './source.ts'

/**
 * Reads a CSV file with a header line; undefined when there is no such file. Each line is parsed by itself, so that a
 * broken one costs no other: it is reported with file and line, and left out. No field holds a line end.
 *
 * @throws PermanentError when the file is not UTF-8 text or lacks a column: no retry mends a file
 */
export async function readCsv(
  folder: string,
  file: string,
  columns: readonly string[],
  call: SourceCall,
): Promise<Row[] | undefined> {
  const bytes = await readBytes(join(folder, file), call.signal)
  if (bytes === undefined) return undefined
  const lines = decode(folder, file, bytes).split(/\r\n|\n|\r/)
  const first = lines.findIndex((line) => line.trim() !== '')
  const header = fieldsOf(lines[first] ?? '') ?? []
  const missing = columns.filter((column) => !header.includes(column))
  if (missing.length > 0) {
    const named = missing.map((name) => `'${name}'`).join(', ')
    throw new PermanentError(
      `${file}, line ${Math.max(first, 0) + 1}: column ${named} is missing (in ${folder})`,
    )
  }
  const positions = new Map(header.map((name, index) => [name, index]))
  const rows: Row[] = []
  for (const [index, line] of lines.entries()) {
    if (index <= first || line.trim() === '') continue
    const place = `${file}, line ${index + 1}`
    const fields = fieldsOf(line)
    if (fields === undefined) call.fault(`${place}: has a quote that is not closed`)
    else if (fields.length !== header.length) {
      call.fault(`${place}: has ${fields.length} fields, not ${header.length}`)
    } else rows.push(new Row(place, (column) => fields[positions.get(column) ?? -1]))
  }
  return rows
}

/** Identifies a version of a file; undefined when there is no such file. */
export async function versionOf(folder: string, file: string): Promise<string | undefined> {
  try {
    const { mtimeMs, ctimeMs, size, ino } = await stat(join(folder, file))
    return `${ino}:${mtimeMs}:${ctimeMs}:${size}`
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function readBytes(path: string, signal: AbortSignal): Promise<Buffer | undefined> {
  try {
    return await readFile(path, { signal })
  } catch (error) {
    signal.throwIfAborted()
    if (isMissing(error)) return undefined
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

function decode(folder: string, file: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new PermanentError(
      `${file}, line ${firstUndecodableLine(bytes)}: is not UTF-8; save ${join(folder, file)} as UTF-8 (in Excel: 'CSV UTF-8')`,
    )
  }
}

function firstUndecodableLine(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for (let line = 1, start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline === -1 ? bytes.length : newline + 1
    try {
      decoder.decode(bytes.subarray(start, end))
    } catch {
      return line
    }
    start = end
  }
  return 1
}

/** Undefined where a quote is not closed. */
function fieldsOf(line: string): string[] | undefined {
  if (!line.includes('"')) return line.split(',').map((field) => field.trim())
  try {
    return parse(line, { trim: true, relax_column_count: true })[0]
  } catch (error) {
    if (error instanceof CsvError) return undefined
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
