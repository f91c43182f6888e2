const READ_AS_MEANT = /^(postgres(ql)?:\/\/|socket:|\/)/i

/** What a connection string must be, in words that end a sentence. */
export const CONNECTION_STRING = 'a URL such as postgres://user:password@host:5432/database'

/** What pg reads as it was meant: a URL, or the folder of a socket. It takes any other text for a relative URL. */
export function isConnectionString(text: string): boolean {
  return READ_AS_MEANT.test(text)
}
