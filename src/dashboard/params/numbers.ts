const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** A decimal number; undefined for any other text, also for what JavaScript takes for a number: '', 0x10, Infinity. */
export function readDecimal(text: string): number | undefined {
  const trimmed = text.trim()
  if (!DECIMAL.test(trimmed)) return undefined
  const value = Number(trimmed)
  return Number.isFinite(value) ? value : undefined
}

/** False where the number has more digits than JavaScript keeps: another one would be sent. */
export function isExact(text: string, value: number): boolean {
  return digitsOf(text) === digitsOf(String(value))
}

/** `-12.50`, `-1.25e1` and `-0012.5` are the same: sign, digits without zeros around them, and the power of ten. */
function digitsOf(text: string): string {
  const [, sign, whole = '', fraction = '', power = '0'] =
    /^\s*([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?\s*$/i.exec(text) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const trimmed = digits.replace(/0+$/, '')
  if (trimmed === '') return '0'
  const exponent = Number(power) - fraction.length + (digits.length - trimmed.length)
  return `${sign === '-' ? '-' : ''}${trimmed}e${exponent}`
}

const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi

/** The first number of a valid JSON text that would be sent as another one. */
export function findInexact(json: string): string | undefined {
  const tokens = json.match(STRINGS_AND_NUMBERS) ?? []
  return tokens.find((token) => !token.startsWith('"') && !isExact(token, Number(token)))
}
