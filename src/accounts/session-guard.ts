import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Session, Sessions } from './sessions.ts'

const SESSION = 'accountsSession'

/** For routes of this scope that need a session: `onRequest` checks it before the body is read. */
export function guardSessions(app: FastifyInstance, sessions: Sessions) {
  app.decorateRequest(SESSION, null)
  return {
    onRequest: async (request: FastifyRequest): Promise<void> =>
      request.setDecorator(SESSION, await sessions.require(request)),
    sessionOf: (request: FastifyRequest): Session => request.getDecorator<Session>(SESSION),
  }
}
