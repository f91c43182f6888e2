import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import { HttpProblem } from '../http/problems.ts'
import { LoginLimit } from './login-limit.ts'
import { PasswordCheck } from './password-check.ts'
import { authRoutes } from './routes.ts'
import type { SessionCookie } from './session-cookie.ts'
import { sessionRoutes } from './session-routes.ts'
import { Sessions } from './sessions.ts'
import type { User } from './user.ts'
import { userRoutes } from './user-routes.ts'

export interface AccountsOptions {
  pool: pg.Pool
  /** Signs the tokens. */
  secret: string
  sessionTtlHours: number
  sessionIdleMinutes: number
  /** Where the admin routes are: log-in lives below it. */
  prefix: string
  cookie: SessionCookie
  /** The one origin whose pages may use the cookie. Default: that of each request's host. */
  origin?: string | undefined
  onPasswordChange?: (user: User) => void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Who is logged in. @throws 401 without a session, 403 for users who may do nothing */
    authorizeUser(request: FastifyRequest): Promise<{ id: string; name: string; role: 'admin' | 'viewer' }>
  }
}

async function accounts(app: FastifyInstance, options: AccountsOptions): Promise<void> {
  const { pool, secret, prefix, cookie: sessionCookie, origin } = options
  await app.register(cookie)
  await app.register(jwt, { secret, sign: { algorithm: 'HS256' }, verify: { algorithms: ['HS256'] } })
  const sessions = new Sessions({
    pool,
    jwt: app.jwt,
    ttlSeconds: Math.round(options.sessionTtlHours * 3_600),
    idleSeconds: options.sessionIdleMinutes * 60,
    cookie: sessionCookie,
    origin,
    limit: app.limitRequestsOf,
  })
  const authorizeUser = async (request: FastifyRequest) => {
    const { id, username: name, role } = (await sessions.require(request)).user
    if (role === 'user') throw new HttpProblem(403, 'FORBIDDEN', 'your account has no role here any more')
    return { id, name, role }
  }
  app.decorate('authorizeUser', authorizeUser)
  const passwords = new PasswordCheck(pool)
  await app.register(authRoutes, {
    prefix: `${prefix}/auth`,
    pool,
    passwords,
    sessions,
    limit: new LoginLimit(app),
    ...(options.onPasswordChange && { onPasswordChange: options.onPasswordChange }),
  })
  await app.register(sessionRoutes, { prefix: `${prefix}/auth`, pool, sessions })
  await app.register(userRoutes, {
    prefix: `${prefix}/auth`,
    pool,
    idleSeconds: sessions.idleSeconds,
    ...(options.onPasswordChange && { onPasswordChange: options.onPasswordChange }),
  })
}

/** Log-in, log-out and who is asking, for the bundled server. */
export default fp(accounts, { name: 'accounts', fastify: '5.x', dependencies: ['request-limit'] })
