import { visible } from './visible.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they begin with
const LOOKS = /(?:\u001b\[|\u009b)([\d;:]*)m/g

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']

interface Part {
  readonly text: string
  readonly className: string
}

/** A text in parts of one look each: bold, and the sixteen colours of a terminal. Other looks are left out. */
export function ansiParts(text: string): Part[] {
  const parts: Part[] = []
  let [color, isBold, from] = ['', false, 0]
  const take = (to: number) => {
    const part = visible(text.slice(from, to))
    const className = `${color}${isBold ? ' ansi-bold' : ''}`.trim()
    if (part !== '') parts.push({ text: part, className })
  }
  for (const found of text.matchAll(LOOKS)) {
    take(found.index)
    from = found.index + found[0].length
    const codes = (found[1] ?? '').split(/[;:]/).map(Number)
    // 38 and 48 choose from a larger palette by the numbers that follow.
    if (codes.some((code) => code === 38 || code === 48)) continue
    for (const code of codes) {
      if (code === 0) [color, isBold] = ['', false]
      else if (code === 1) isBold = true
      else if (code === 22) isBold = false
      else if (code === 39) color = ''
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) color = `ansi-${COLORS[code % 10]}`
    }
  }
  take(text.length)
  return parts.length === 0 ? [{ text: '', className: '' }] : parts
}
