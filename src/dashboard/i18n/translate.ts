import type { Dictionary } from './en.ts'

/** What the server says, in words: its own where the page has none. */
export function translate(code: string, message: string, text: Dictionary): string {
  const told = (text.sentences[code] ?? []).reduce(
    (words, [pattern, ours]) => words.replace(pattern, ours),
    message,
  )
  return told === message ? (text.codes[code] ?? message) : told
}
