import { inspect } from 'node:util'

/** Shorter ones occur in any text: redacting them would make it unreadable. */
const MIN_SECRET_CHARS = 4

export interface SecretForms {
  /** Plain, escaped and encoded, the longest first: one may contain another. */
  readonly texts: readonly string[]
  readonly numbers: readonly RegExp[]
  readonly exact: ReadonlySet<string>
}

/** Forms of all texts of 4 or more characters and numbers of 4 or more digits. */
export function formsOf(values: readonly unknown[]): SecretForms {
  const leaves = leavesOf(values)
  const texts = leaves.filter(
    (leaf) => typeof leaf === 'string' && leaf.length >= MIN_SECRET_CHARS,
  ) as string[]
  const numbers = leaves
    .filter((leaf) => typeof leaf === 'number')
    .map((leaf) => String(Math.abs(leaf)))
    .filter((digits) => digits.replace(/\D/g, '').length >= MIN_SECRET_CHARS)
  return {
    texts: [...new Set(texts.flatMap(encodings))].toSorted((a, b) => b.length - a.length),
    numbers: [...new Set(numbers)].map((digits) => new RegExp(`(?<!\\d)${escapeRegExp(digits)}(?!\\d)`, 'g')),
    exact: new Set([...texts, ...numbers]),
  }
}

/** A loop, because rows may hold JSON of any depth. */
function leavesOf(values: readonly unknown[]): unknown[] {
  const leaves: unknown[] = []
  const left = [...values]
  for (let value = left.pop(); value !== undefined || left.length > 0; value = left.pop()) {
    if (typeof value !== 'object' || value === null) leaves.push(value)
    else for (const item of Object.values(value)) left.push(item)
  }
  return leaves
}

function encodings(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1)
  const percent = encodeURIComponent(secret.toWellFormed())
  const form = new URLSearchParams({ x: secret }).toString().slice(2)
  return [
    secret,
    json,
    JSON.stringify(json).slice(1, -1),
    inspect(secret).slice(1, -1),
    percent,
    percent.replace(/%../g, (code) => code.toLowerCase()),
    encodeURI(secret.toWellFormed()),
    form,
    Buffer.from(secret).toString('hex'),
    ...base64Forms(secret),
  ]
}

/** Whole, and inside a longer text such as `user:password`, which shifts it by one or two bytes. */
function base64Forms(secret: string): string[] {
  const forms = [Buffer.from(secret).toString('base64')]
  for (const before of [0, 1, 2]) {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    // Without characters that also encode bits of neighbours.
    forms.push(
      bytes.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6)),
    )
  }
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')])
}

function escapeRegExp(text: string): string {
  return text.replace(/[.+]/g, '\\$&')
}
