import { codeOf } from '../db/errors.ts'
import { TaskError } from '../engine/definition/errors.ts'

/** Controls, and marks that change the direction of text: they could move the cursor or forge a line. */
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Text of one line, for a terminal. */
export function oneLine(text: string): string {
  return text.replaceAll(CONTROLS, (char) => (char === '\n' ? '\\n' : escaped(char)))
}

/** The same, with its line breaks. */
export function manyLines(text: string): string {
  return text.split('\n').map(oneLine).join('\n')
}

/** An error's code and sentence. */
export function describeError(error: unknown): { code: string; message: string } {
  const code = error instanceof TaskError ? error.code : (codeOf(error) ?? 'FAILED')
  // With several addresses, only the code shows why a connection was refused.
  const message = (error as Error).message || `the database cannot be reached: ${code}`
  return { code, message: oneLine(hidePasswords(message)) }
}

/** Connection strings may stand in an error of a driver, and in a misspelt option. */
export function hidePasswords(text: string): string {
  return text.replaceAll(/(\w+:\/\/[^\s:@/]*):\S*@/g, '$1:…@').replaceAll(/([?&]password=)[^\s&'"]*/gi, '$1…')
}

const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u
const DOUBLE_WIDTH =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u
const HALF_WIDTH = /[\uff61-\uffdc]/

/** Columns of a terminal. */
function widthOf(text: string): number {
  let width = 0
  for (const char of text) {
    if (NO_WIDTH.test(char)) continue
    width += DOUBLE_WIDTH.test(char) && !HALF_WIDTH.test(char) ? 2 : 1
  }
  return width
}

type Cell = string | number | Date | null | undefined

/** Aligned columns under their names. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [head, ...rows.map((row) => row.map(cellText))]
  const widths = head.map((_name, column) => Math.max(...lines.map((line) => widthOf(line[column] ?? ''))))
  return lines
    .map((line) =>
      line
        .map((text, column) => text + ' '.repeat((widths[column] ?? 0) - widthOf(text)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Names and values, one a line, without those that are undefined. */
export function fields(values: Readonly<Record<string, Cell>>): string {
  const known = Object.entries(values).filter(([, value]) => value !== undefined)
  const width = Math.max(...known.map(([name]) => name.length))
  return known.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`).join('\n')
}

function cellText(value: Cell): string {
  if (value === null || value === undefined) return '-'
  return oneLine(value instanceof Date ? value.toISOString() : String(value))
}

/** Such as `3 tasks`, `1 task`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`
}
