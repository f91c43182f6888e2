import type { Dictionary } from './en.ts'

/** The server's message in the language of the page, with its values; for other wording the text of its code, or as it is. */
export function translate(code: string, message: string, text: Dictionary): string {
  const translated = (text.sentences[code] ?? []).reduce(
    (words, [pattern, ours]) => words.replace(pattern, ours),
    message,
  )
  return translated === message ? (text.codes[code] ?? message) : translated
}
