import { type FastifyPluginAsyncZod, jsonSchemaTransform } from 'fastify-type-provider-zod'
import type pg from 'pg'
import { z } from 'zod'
import { loginBody, sessionView, userView } from '../contract/session.ts'
import { trackMethods } from '../http/allowed-methods.ts'
import { HttpProblem } from '../http/problems.ts'
import { noBody, noContent, noQuery, problems } from '../http/responses.ts'
import { prepareScope } from '../http/scope.ts'
import type { LoginLimit } from './login-limit.ts'
import { verifyNobody, verifyPassword } from './passwords.ts'
import type { Sessions } from './sessions.ts'
import { findCredentials, type User } from './store.ts'

const config = { swaggerTransform: jsonSchemaTransform }
const tags = ['auth']

const loginSchema = {
  summary: 'Log in',
  description: 'Sets a session cookie for browsers; programs send the token as `Authorization: Bearer …`.',
  tags,
  security: [],
  querystring: noQuery,
  body: loginBody,
  response: { 200: sessionView, ...problems(400, 401, 413, 415, 429) },
}
const logoutSchema = {
  summary: 'End the session',
  tags,
  querystring: noQuery,
  body: noBody,
  response: { 204: noContent, ...problems(400, 401, 403, 413, 415) },
}
const meSchema = {
  summary: 'Who is asking',
  tags,
  querystring: noQuery,
  response: { 200: z.object({ user: userView }), ...problems(400, 401) },
}

export interface AuthRoutesOptions {
  pool: pg.Pool
  sessions: Sessions
  limit: LoginLimit
}

export const authRoutes: FastifyPluginAsyncZod<AuthRoutesOptions> = async (
  app,
  { pool, sessions, limit },
) => {
  prepareScope(app)
  const answerOtherMethods = trackMethods(app)

  app.post('/login', { config, schema: loginSchema }, async (request, reply) => {
    const { username, password } = request.body
    const session = await limit.attempt(request, async () => {
      const known = await findKnown(pool, username, password)
      const token = known && (await sessions.open(known))
      return token && { token, user: known }
    })
    if (!session) throw new HttpProblem(401, 'INVALID_CREDENTIALS', 'the name or the password is wrong')
    sessions.setCookie(request, reply, session.token)
    return session
  })

  app.post('/logout', { config, schema: logoutSchema }, async (request, reply) => {
    await sessions.close(await sessions.require(request))
    sessions.clearCookie(request, reply)
    return reply.code(204).send()
  })

  app.get('/me', { config, schema: meSchema }, async (request) => {
    const session = await sessions.require(request)
    return { user: session.user }
  })

  answerOtherMethods()
}

async function findKnown(
  pool: pg.Pool,
  username: string,
  password: string,
): Promise<(User & { passwordHash: string }) | undefined> {
  const found = await findCredentials(pool, username)
  const isRight = found ? await verifyPassword(password, found.passwordHash) : await verifyNobody(password)
  return isRight ? found : undefined
}
