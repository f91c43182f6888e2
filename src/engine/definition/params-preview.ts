import { REDACTED } from './redacted-paths.ts'

export const PREVIEW_PARAMS = 6
/** Of one value, in characters. */
export const PREVIEW_VALUE_CHARS = 60
const MAX_CHARS = 200

/**
 * The first params of a task as one line, such as `invoice: INV-17, copies: 2`; undefined: it has none. Of a value that
 * is an object or a list, nothing is shown.
 *
 * @param starts beginnings of the values, as JSON texts
 */
export function previewOf(
  starts: Readonly<Record<string, string>> | null,
  isHidden: (key: string) => boolean,
): string | undefined {
  if (starts === null) return undefined
  const text = Object.entries(starts)
    .map(([key, start]) => `${key}: ${isHidden(key) ? REDACTED : shorten(start)}`)
    .join(', ')
  return cut(text, MAX_CHARS)
}

function shorten(start: string): string {
  if (start.startsWith('{')) return '{…}'
  if (start.startsWith('[')) return start === '[]' ? start : '[…]'
  if (!start.startsWith('"')) return cut(start, PREVIEW_VALUE_CHARS)
  try {
    return String(JSON.parse(start))
  } catch {
    // The text goes on, or was stored by hand.
    return cut(start.slice(1), PREVIEW_VALUE_CHARS - 1)
  }
}

/** Not within a pair of surrogates. */
function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
