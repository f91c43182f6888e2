/** Words of a camelCase name shorter than this are ignored when a name is guessed. */
const MIN_WORD_CHARS = 4
/** Names that are compared letter by letter, and their length: task types may be thousands. */
const MAX_COMPARED = 100
const MAX_COMPARED_CHARS = 40

/**
 * Describes the options that do not exist: the name, the nearest known one, and all that are known.
 *
 * It is in `client/` because that folder imports nothing from the others, and the server needs it too.
 */
export function describeUnknownOptions(given: object, known: readonly string[]): string[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `${name} ${describeUnknownOption(name, known)}`)
}

/** The end of a sentence that begins with the name. */
export function describeUnknownOption(name: string, known: readonly string[]): string {
  return `is not a known option${suggest(name, known)} (known: ${known.join(', ')})`
}

/** Such as `, did you mean maxRetries?`; empty where no known name is near. */
export function suggest(name: string, known: readonly string[]): string {
  const near = findNearest(name, known)
  return near === undefined ? '' : `, did you mean ${near}?`
}

function findNearest(name: string, known: readonly string[]): string | undefined {
  const isShort = name.length <= MAX_COMPARED_CHARS
  const ranked = known
    .filter((other) => isShort && Math.abs(name.length - other.length) <= mayDiffer(name, other))
    .slice(0, MAX_COMPARED)
    .map((other) => ({ other, edits: countEdits(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ other, edits }) => edits <= mayDiffer(name, other))
    .sort((a, b) => a.edits - b.edits)
  return ranked[0]?.other ?? known.slice(0, MAX_COMPARED).find((other) => shareWord(name, other))
}

/** A third of the letters, at least one. */
function mayDiffer(name: string, other: string): number {
  return Math.max(1, Math.floor(Math.max(name.length, other.length) / 3))
}

/** Insertions, removals and replacements that turn one text into the other. */
function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}

/** `timeoutMs` and `timeoutSeconds`. */
function shareWord(one: string, other: string): boolean {
  const words = wordsOf(other)
  return wordsOf(one).some((word) => word.length >= MIN_WORD_CHARS && words.includes(word))
}

function wordsOf(name: string): string[] {
  return name.split(/(?=[A-Z])|[_-]/).map((word) => word.toLowerCase())
}
