export const CHANGED_INTEGER =
  'is an integer that a number of JavaScript cannot keep: beyond 2^53 use a text, such as "9007199254740993"'

/** Integers that a number cannot hold have 16 digits or a large exponent. */
const MAY_CHANGE = /[\d.]{16}|\d[eE]\+?\d{3}/
const NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/**
 * Finds integers in JSON that change when they are read: beyond 2^53 or as 1e400. Returns JSON pointers (RFC 6901).
 * Fractions are rounded everywhere and do not count.
 *
 * @throws RangeError if it is nested too deeply
 */
export function findChangedIntegers(text: string): string[] {
  if (!MAY_CHANGE.test(text)) return []
  const changed = new Map<unknown, Set<string>>()
  const root: unknown = JSON.parse(text, function (this: unknown, key, value, context?: { source?: string }) {
    if (typeof value === 'number' && context?.source !== undefined && isChanged(context.source, value)) {
      changed.set(this, (changed.get(this) ?? new Set()).add(key))
    }
    return value as unknown
  })
  if (changed.size === 0) return []
  return typeof root === 'number' ? [''] : findPointers(root, changed)
}

/** Whether an integer is written differently after it was read. */
function isChanged(source: string, value: number): boolean {
  if (!Number.isFinite(value)) return true
  const given = decimal(source)
  const kept = decimal(String(value))
  return given.zeros >= 0 && (given.digits !== kept.digits || given.zeros !== kept.zeros)
}

/** Significant digits and trailing zeros; negative for a fraction. */
function decimal(source: string): { digits: string; zeros: number } {
  const [, whole = '', fraction = '', exponent = '0'] = NUMBER.exec(source) ?? []
  const all = `${whole}${fraction}`.replace(/^0+/, '')
  // A loop: the regular expression takes quadratic time on long runs of zeros.
  let end = all.length
  while (all[end - 1] === '0') end -= 1
  const digits = all.slice(0, end)
  if (digits === '') return { digits, zeros: 0 }
  return { digits, zeros: Number(exponent) + all.length - digits.length - fraction.length }
}

function findPointers(root: unknown, changed: ReadonlyMap<unknown, ReadonlySet<string>>): string[] {
  const pointers: string[] = []
  const open: { readonly value: unknown; readonly pointer: string }[] = [{ value: root, pointer: '' }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, pointer } = next
    if (typeof value !== 'object' || value === null) continue
    const keys = changed.get(value)
    for (const [key, member] of Object.entries(value)) {
      const below = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      if (keys?.has(key)) pointers.push(below)
      open.push({ value: member, pointer: below })
    }
  }
  return pointers.sort()
}
