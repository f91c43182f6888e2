import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { callerView } from '../../contract/session.ts'
import { findCaller } from '../authorize.ts'
import { noQuery, problems } from '../responses.ts'

/** The host guards the routes itself: every visitor is an admin. */
const UNNAMED = { id: null, name: null, role: 'admin' } as const

export const meRoute: FastifyPluginAsyncZod = async (app) => {
  const schema = {
    summary: 'The caller and its role',
    tags: ['tasks'],
    querystring: noQuery,
    response: { 200: callerView, ...problems(400, 401, 403) },
  }
  app.get('/me', { schema }, async (request) => findCaller(request) ?? UNNAMED)
}
