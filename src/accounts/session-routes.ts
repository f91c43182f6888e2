import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type pg from 'pg'
import { z } from 'zod'
import { openSessionView } from '../contract/session.ts'
import { storableText } from '../contract/task.ts'
import { trackMethods } from '../http/allowed-methods.ts'
import { HttpProblem } from '../http/problems.ts'
import { noBody, noContent, noQuery, problems } from '../http/responses.ts'
import { prepareScope } from '../http/scope.ts'
import { auditScope, eventOf } from './audit.ts'
import { guardSessions } from './session-guard.ts'
import type { Sessions } from './sessions.ts'

const tags = ['auth']

const listSchema = {
  summary: 'List your own sessions',
  tags,
  querystring: noQuery,
  response: { 200: z.object({ sessions: z.array(openSessionView) }), ...problems(400, 401) },
}
const endAllSchema = {
  summary: 'Log out everywhere',
  description: 'Ends all sessions of the caller, this one included.',
  tags,
  querystring: noQuery,
  body: noBody,
  response: { 204: noContent, ...problems(400, 401, 403, 413, 415) },
}
const endSchema = {
  ...endAllSchema,
  summary: 'End one of your own sessions',
  description: 'Its event streams end within 15 s.',
  params: z.object({ sessionId: storableText.max(100) }),
  response: { 204: noContent, ...problems(400, 401, 403, 404, 413, 415) },
}

/** The caller's own sessions. */
export const sessionRoutes: FastifyPluginAsyncZod<{ pool: pg.Pool; sessions: Sessions }> = async (
  app,
  { pool, sessions },
) => {
  prepareScope(app)
  auditScope(app, pool)
  const { onRequest, sessionOf } = guardSessions(app, sessions)
  const refuseOtherMethods = trackMethods(app)

  app.get('/sessions', { schema: listSchema, onRequest }, async (request) => {
    const session = sessionOf(request)
    const rows = await sessions.list(session)
    return { sessions: rows.map((row) => ({ ...row, current: row.id === session.id })) }
  })

  app.delete('/sessions', { schema: endAllSchema, onRequest }, async (request, reply) => {
    const session = sessionOf(request)
    await sessions.closeAll(session, eventOf(request, 'session.end', session.user))
    sessions.clearCookie(request, reply)
    return reply.code(204).send()
  })

  app.delete('/sessions/:sessionId', { schema: endSchema, onRequest }, async (request, reply) => {
    const session = sessionOf(request)
    const { sessionId } = request.params
    if (!(await sessions.close(session, sessionId, eventOf(request, 'session.end', session.user))))
      throw new HttpProblem(404, 'SESSION_NOT_FOUND', 'you have no such session')
    if (sessionId === session.id) sessions.clearCookie(request, reply)
    return reply.code(204).send()
  })

  refuseOtherMethods()
}
