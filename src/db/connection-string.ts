import pg from 'pg'
import { codeOf } from './errors.ts'

const READ_AS_MEANT = /^(postgres(ql)?:\/\/|socket:|\/)/i

/** What a connection string must be, in words that end a sentence. */
export const CONNECTION_STRING =
  'a URL such as postgres://user:password@host:5432/database, its special characters percent-encoded'

/** What pg reads as it was meant: a URL, or the folder of a socket. It takes any other text for a relative URL. */
export function isConnectionString(text: string): boolean {
  return READ_AS_MEANT.test(text) && canBeRead(text)
}

/** A `#` or `/` in a password ends the host too early: pg would report that with each connection, like an outage. */
function canBeRead(connectionString: string): boolean {
  try {
    void new pg.Client({ connectionString })
    return true
  } catch (error) {
    return codeOf(error) !== 'ERR_INVALID_URL' && !(error instanceof URIError)
  }
}
