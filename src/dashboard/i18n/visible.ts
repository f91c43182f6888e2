/** Colours and other looks of a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they begin with
const TERMINAL_LOOKS = /(?:\u001b\[|\u009b)[\d;:]*m/g

/**
 * Characters that are not seen, or turn what stands around them: controls but tab and line feed, marks, embeddings,
 * overrides and isolates of direction, characters without width, line separators, tags. Joiners are part of emoji and
 * of scripts.
 */
const INVISIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each of them by itself
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e007f}]/u
const EACH_INVISIBLE = new RegExp(INVISIBLE, 'gu')

export function hasInvisible(text: string): boolean {
  return INVISIBLE.test(text)
}

/** Foreign text as the page shows it: without colour codes, and with symbols in place of invisible characters. */
export function visible(text: string): string {
  return text.replace(TERMINAL_LOOKS, '').replaceAll('\r\n', '\n').replace(EACH_INVISIBLE, toSymbol)
}

/** A JSON text of the same value in which everything is seen. */
export function escapeInvisible(json: string): string {
  return json.replace(EACH_INVISIBLE, (character) =>
    Array.from({ length: character.length }, (_, at) => escapeUnit(character.charCodeAt(at))).join(''),
  )
}

const escapeUnit = (unit: number) => `\\u${unit.toString(16).padStart(4, '0')}`

/** ␛ for a control of ASCII, ⟨U+202E⟩ for the others. */
function toSymbol(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  return code === 0x7f ? '␡' : `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
}
