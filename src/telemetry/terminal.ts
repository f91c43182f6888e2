// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/**
 * The message of a log line for a terminal. Only its first line begins at the margin, so that no text can pass for
 * another line of the log, and no character moves the cursor.
 */
export function formatForTerminal(message: unknown): string {
  return String(message ?? '')
    .replaceAll(/\r\n?|[\u2028\u2029]/g, '\n')
    .replaceAll(CONTROL, ' ')
    .replaceAll('\n', '\n    ')
}
