import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type pg from 'pg'
import { requireOwnOriginOfCookie } from '../http/origin.ts'
import { HttpProblem } from '../http/problems.ts'
import { closeSession, deleteExpiredSessions, findSessionUser, openSession, type User } from './store.ts'

export const SESSION_COOKIE = 'async_tasks_session'

export interface Session {
  readonly id: string
  readonly user: User
}

/**
 * Who is logged in. A session is a row; the token, whether it comes in a cookie or as a bearer token, is only its
 * signed number. So a log-out ends both, and a role that was taken away is gone at the next request.
 */
export class Sessions {
  readonly #pool: pg.Pool
  readonly #jwt: FastifyInstance['jwt']
  readonly #ttlSeconds: number
  readonly #cookiePath: string

  constructor(options: {
    pool: pg.Pool
    jwt: FastifyInstance['jwt']
    ttlSeconds: number
    cookiePath: string
  }) {
    this.#pool = options.pool
    this.#jwt = options.jwt
    this.#ttlSeconds = options.ttlSeconds
    this.#cookiePath = options.cookiePath
  }

  /** @returns the token; undefined when the password was changed since it was checked */
  async open(user: User & { passwordHash: string }): Promise<string | undefined> {
    const id = randomBytes(24).toString('base64url')
    const { id: userId, passwordHash } = user
    await deleteExpiredSessions(this.#pool)
    const isOpen = await openSession(this.#pool, { id, userId, passwordHash, ttlSeconds: this.#ttlSeconds })
    return isOpen
      ? // In seconds: @fastify/jwt converts them to the milliseconds of fast-jwt.
        this.#jwt.sign({ sub: userId, jti: id }, { expiresIn: this.#ttlSeconds })
      : undefined
  }

  /** @throws HttpProblem 401 without a valid session, 403 for a form that another site submits */
  async require(request: FastifyRequest): Promise<Session> {
    const found = readToken(request)
    if (!found) throw new HttpProblem(401, 'UNAUTHENTICATED', 'log in first')
    if (found.isCookie) requireOwnOriginOfCookie(request)
    const id = this.#verify(found.token)
    const user = id === undefined ? undefined : await findSessionUser(this.#pool, id)
    if (id === undefined || !user)
      throw new HttpProblem(401, 'UNAUTHENTICATED', 'the session has ended; log in again')
    return { id, user }
  }

  async close(session: Session): Promise<void> {
    await closeSession(this.#pool, session.id)
  }

  setCookie(request: FastifyRequest, reply: FastifyReply, token: string): void {
    reply.setCookie(SESSION_COOKIE, token, { ...this.#cookieOptions(request), maxAge: this.#ttlSeconds })
  }

  clearCookie(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(SESSION_COOKIE, this.#cookieOptions(request))
  }

  #cookieOptions(request: FastifyRequest) {
    const secure = request.protocol === 'https'
    return { path: this.#cookiePath, httpOnly: true, sameSite: 'strict', secure } as const
  }

  #verify(token: string): string | undefined {
    try {
      return this.#jwt.verify<{ jti?: string }>(token).jti
    } catch {
      // Forged, expired or mangled: all of them are simply no session.
      return undefined
    }
  }
}

/** What a program says on purpose wins over what a browser sends by itself. */
function readToken(request: FastifyRequest): { token: string; isCookie: boolean } | undefined {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? []
  if (bearer !== undefined) return { token: bearer, isCookie: false }
  const cookie = request.cookies[SESSION_COOKIE]
  return cookie ? { token: cookie, isCookie: true } : undefined
}
