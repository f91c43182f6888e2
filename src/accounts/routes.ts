import { type FastifyPluginAsyncZod, jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { loginBody, sessionView, userView } from '../contract/session.ts'
import { trackMethods } from '../http/allowed-methods.ts'
import { HttpProblem } from '../http/problems.ts'
import { noBody, noContent, noQuery, problems } from '../http/responses.ts'
import { prepareScope } from '../http/scope.ts'
import type { LoginLimit } from './login-limit.ts'
import { networkOf } from './network.ts'
import type { PasswordCheck } from './password-check.ts'
import type { Sessions } from './sessions.ts'

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
  summary: 'Log out',
  tags,
  querystring: noQuery,
  body: noBody,
  response: { 204: noContent, ...problems(400, 401, 403, 413, 415) },
}
const meSchema = {
  summary: 'The user who is logged in',
  tags,
  querystring: noQuery,
  response: { 200: z.object({ user: userView }), ...problems(400, 401) },
}

export interface AuthRoutesOptions {
  passwords: PasswordCheck
  sessions: Sessions
  limit: LoginLimit
}

export const authRoutes: FastifyPluginAsyncZod<AuthRoutesOptions> = async (
  app,
  { passwords, sessions, limit },
) => {
  prepareScope(app)
  const refuseOtherMethods = trackMethods(app)

  app.post('/login', { config, schema: loginSchema }, async (request, reply) => {
    const { username, password } = request.body
    const session = await limit.attempt(request, async () => {
      const network = networkOf(request.ip)
      const user = await passwords.findUser(username, password, network)
      const token = user && (await sessions.open(user))
      if (!token) return undefined
      await passwords.remember(user, network)
      return { token, user }
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

  refuseOtherMethods()
}
