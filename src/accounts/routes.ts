import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type pg from 'pg'
import { z } from 'zod'
import { loginBody, passwordChangeBody, sessionView, userView } from '../contract/session.ts'
import { trackMethods } from '../http/allowed-methods.ts'
import { HttpProblem } from '../http/problems.ts'
import { noBody, noContent, noQuery, problems } from '../http/responses.ts'
import { prepareScope } from '../http/scope.ts'
import { auditScope, eventOf, refusedLogin } from './audit.ts'
import type { LoginLimit } from './login-limit.ts'
import { networkOf } from './network.ts'
import type { PasswordCheck } from './password-check.ts'
import { hashNewPassword, WeakPassword } from './password-rules.ts'
import { guardSessions } from './session-guard.ts'
import type { Sessions } from './sessions.ts'
import { recordEvents } from './store/audit.ts'
import { changePassword, findCredentials } from './store/users.ts'
import type { User } from './user.ts'
import { refuseWeak } from './weak-password-problem.ts'

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
const passwordSchema = {
  summary: 'Change your own password',
  description: 'Ends all other sessions of the user.',
  tags,
  querystring: noQuery,
  body: passwordChangeBody,
  response: { 204: noContent, ...problems(400, 401, 403, 413, 415, 429) },
}
const meSchema = {
  summary: 'The user who is logged in',
  tags,
  querystring: noQuery,
  response: { 200: z.object({ user: userView }), ...problems(400, 401) },
}

export interface AuthRoutesOptions {
  pool: pg.Pool
  passwords: PasswordCheck
  sessions: Sessions
  limit: LoginLimit
  onPasswordChange?: (user: User) => void
}

export const authRoutes: FastifyPluginAsyncZod<AuthRoutesOptions> = async (app, options) => {
  const { pool, passwords, sessions, limit } = options
  prepareScope(app)
  auditScope(app, pool)
  const { onRequest, sessionOf } = guardSessions(app, sessions)
  const refuseOtherMethods = trackMethods(app)

  app.post('/login', { schema: loginSchema }, async (request, reply) => {
    const { username, password } = request.body
    const session = await limit.attempt(request, username, async () => {
      const network = networkOf(request.ip)
      const user = await passwords.findUser(username, password, network)
      const token = user && (await sessions.open(user, request))
      if (!token) return undefined
      await passwords.remember(user, network)
      return { token, user }
    })
    if (!session) {
      await recordEvents(pool, refusedLogin(request, await findCredentials(pool, username)))
      throw new HttpProblem(401, 'INVALID_CREDENTIALS', 'the name or the password is wrong')
    }
    sessions.setCookie(request, reply, session.token)
    return session
  })

  app.post('/logout', { schema: logoutSchema, onRequest }, async (request, reply) => {
    const session = sessionOf(request)
    await sessions.close(session, session.id, eventOf(request, 'user.logout', session.user))
    sessions.clearCookie(request, reply)
    return reply.code(204).send()
  })

  app.post('/password', { schema: passwordSchema, onRequest }, async (request, reply) => {
    const { id: sessionId, user } = sessionOf(request)
    const { current, next } = request.body
    const isChanged = await limit.attempt(request, user.username, async () => {
      const known = await passwords.findUser(user.username, current, networkOf(request.ip))
      if (!known) return undefined
      const newHash = await hashChanged(current, next, user.username).catch(refuseWeak('next'))
      const change = { userId: user.id, oldHash: known.passwordHash, newHash, sessionId }
      return (await changePassword(pool, change, eventOf(request, 'user.password', user))) || undefined
    })
    if (!isChanged) throw new HttpProblem(403, 'WRONG_PASSWORD', 'the current password is wrong')
    options.onPasswordChange?.(user)
    return reply.code(204).send()
  })

  app.get('/me', { schema: meSchema, onRequest }, async (request) => ({
    user: sessionOf(request).user,
  }))

  refuseOtherMethods()
}

async function hashChanged(current: string, next: string, username: string): Promise<string> {
  if (next === current) throw new WeakPassword('a password other than the current one')
  return hashNewPassword(next, username)
}
