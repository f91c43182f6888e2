/** The embedded PostgreSQL cannot run; the message is for the person who starts the server. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError'
}
