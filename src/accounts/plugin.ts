import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import { HttpProblem } from '../http/problems.ts'
import { LoginLimit } from './login-limit.ts'
import { PasswordCheck } from './password-check.ts'
import { authRoutes } from './routes.ts'
import { Sessions } from './sessions.ts'
import { userRoutes } from './user-routes.ts'

export interface AccountsOptions {
  pool: pg.Pool
  /** Signs the tokens. */
  secret: string
  sessionTtlHours: number
  /** Where the admin routes are: log-in lives below it, and the cookie is sent nowhere else. */
  prefix: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** @throws 401 without a session, 403 for anybody but an admin */
    authorizeAdmin(request: FastifyRequest): Promise<{ id: string }>
  }
}

async function accounts(app: FastifyInstance, options: AccountsOptions): Promise<void> {
  const { pool, secret, sessionTtlHours, prefix } = options
  await app.register(cookie)
  await app.register(jwt, { secret, sign: { algorithm: 'HS256' }, verify: { algorithms: ['HS256'] } })
  const ttlSeconds = Math.round(sessionTtlHours * 3_600)
  const sessions = new Sessions({ pool, jwt: app.jwt, ttlSeconds, cookiePath: prefix })

  app.decorate('authorizeAdmin', async (request: FastifyRequest) => {
    const { user } = await sessions.require(request)
    if (user.role !== 'admin') throw new HttpProblem(403, 'FORBIDDEN', 'only an admin may do this')
    return { id: user.id, name: user.username }
  })
  const passwords = new PasswordCheck(pool)
  await app.register(authRoutes, {
    prefix: `${prefix}/auth`,
    passwords,
    sessions,
    limit: new LoginLimit(app),
  })
  await app.register(userRoutes, { prefix: `${prefix}/auth/users`, pool })
}

/** Log-in, log-out and who is asking, for the bundled server. */
export default fp(accounts, { name: 'accounts', fastify: '5.x', dependencies: ['request-limit'] })
