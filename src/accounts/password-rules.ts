import { MAX_PASSWORD_CHARS } from '../contract/session.ts'
import { isGuessable } from './guessable.ts'
import { hashPassword } from './passwords.ts'

const MIN_PASSWORD_CHARS = 12

/** A new password breaks a rule. The message names what was expected and does not contain the password. */
export class WeakPassword extends Error {
  override readonly name = 'WeakPassword'
  readonly code = 'WEAK_PASSWORD'
  readonly expected: string

  constructor(expected: string) {
    super(`expected ${expected}`)
    this.expected = expected
  }
}

/** @throws WeakPassword */
export async function hashNewPassword(password: string, username: string): Promise<string> {
  const fault = findPasswordFault(password, username)
  if (fault !== undefined) throw new WeakPassword(fault)
  return hashPassword(password)
}

/** What was expected instead; undefined for a good password. */
export function findPasswordFault(password: string, username: string): string | undefined {
  // Not as UTF-16, nor as typed on some keyboards: an emoji and an accented letter are one character each, and so are
  // spaces in a row.
  const chars = [...password.normalize('NFC').replaceAll(/\s+/g, ' ')].length
  if (chars < MIN_PASSWORD_CHARS || password.length > MAX_PASSWORD_CHARS) {
    return `a password of ${MIN_PASSWORD_CHARS} to ${MAX_PASSWORD_CHARS} characters, got ${chars}`
  }
  if (fold(password) === fold(username)) return 'a password other than the user name'
  return isGuessable(password, username) ? 'a password that is not common or easily guessed' : undefined
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim()
}
