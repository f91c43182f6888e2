/** What programs write for a value that they do not have. */
const PLACEHOLDER = /^(nan|none|null|nil|undefined|n\/?a|#n\/a|#ref!|-+|\?+)$/i
/** Control characters; also what a reader of another encoding leaves: U+FFFD, and C1 controls. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNREADABLE = /[\u0000-\u001f\u007f-\u009f\ufffd]/
/** GBK read as Latin-1: no Chinese name has accented letters one after the other. */
const MOJIBAKE = /[\u00a1-\u00b6\u00b8-\u00ff]{2}/

/** Whether a text can be the name of a stock or board: a name that is none must not overwrite a good one. */
export function isUsableName(name: string): boolean {
  const text = name.trim()
  return text !== '' && !PLACEHOLDER.test(text) && !UNREADABLE.test(text) && !MOJIBAKE.test(text)
}
