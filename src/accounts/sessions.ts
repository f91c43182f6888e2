import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type pg from 'pg'
import { requireOwnOriginOfCookie } from '../http/origin.ts'
import { HttpProblem } from '../http/problems.ts'
import { eventOf, noteCaller } from './audit.ts'
import type { SessionCookie } from './session-cookie.ts'
import type { AccountEvent } from './store/audit.ts'
import {
  closeAllSessions,
  closeSession,
  deleteExpiredSessions,
  findSessionUser,
  listSessions,
  openSession,
  type SessionRow,
  touchSession,
} from './store/sessions.ts'
import type { User, UserWithHash } from './user.ts'

/** Enough to recognize a browser or program by. */
const MAX_USER_AGENT_CHARS = 300
const MAX_ADDRESS_CHARS = 100
const MAX_STALE_SECONDS = 60
const SESSION_ID = /^[\w-]{1,100}$/

export interface Session {
  readonly id: string
  readonly user: User
}

export interface SessionsOptions {
  pool: pg.Pool
  jwt: FastifyInstance['jwt']
  ttlSeconds: number
  /** A session without requests for this long has ended. */
  idleSeconds: number
  cookie: SessionCookie
  /** The one origin whose pages may use the cookie. Default: that of each request's host. */
  origin?: string | undefined
  /** Counts a request of a user, once. @throws HttpProblem 429 */
  limit: (request: FastifyRequest, userId: string) => Promise<void>
}

/**
 * Who is logged in. A session is a row; the token, whether it comes in a cookie or as a bearer token, is only its
 * signed number. So a log-out ends both, and a role that was taken away is gone at the next request.
 */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #pool: pg.Pool
  readonly #staleSeconds: number
  readonly #counted = new WeakSet<FastifyRequest>()

  constructor(options: SessionsOptions) {
    this.#options = options
    this.#pool = options.pool
    this.#staleSeconds = Math.min(MAX_STALE_SECONDS, options.idleSeconds / 4)
  }

  get idleSeconds(): number {
    return this.#options.idleSeconds
  }

  /** @returns the token; undefined when the password was changed since it was checked, or the user is disabled */
  async open(user: UserWithHash, request: FastifyRequest): Promise<string | undefined> {
    const { id: userId, passwordHash } = user
    const id = randomBytes(24).toString('base64url')
    const { jwt, ttlSeconds, idleSeconds } = this.#options
    await deleteExpiredSessions(this.#pool, idleSeconds)
    const address = request.ip.slice(0, MAX_ADDRESS_CHARS)
    const userAgent = request.headers['user-agent']?.slice(0, MAX_USER_AGENT_CHARS) ?? null
    const session = { id, userId, passwordHash, ttlSeconds, address, userAgent }
    return (await openSession(this.#pool, session, eventOf(request, 'user.login', user)))
      ? // In seconds: @fastify/jwt converts them to the milliseconds of fast-jwt.
        jwt.sign({ sub: userId, jti: id }, { expiresIn: ttlSeconds })
      : undefined
  }

  /** @throws HttpProblem 401 without a valid session, 403 for a form that another site submits, 429 */
  async require(request: FastifyRequest): Promise<Session> {
    const found = this.#readToken(request)
    if (!found) throw new HttpProblem(401, 'UNAUTHENTICATED', 'log in first')
    if (found.isCookie) requireOwnOriginOfCookie(request, this.#options.origin)
    const id = this.#verify(found.token)
    const { idleSeconds } = this.#options
    const staleSeconds = this.#staleSeconds
    const session =
      id === undefined ? undefined : await findSessionUser(this.#pool, id, { idleSeconds, staleSeconds })
    if (id === undefined || !session)
      throw new HttpProblem(401, 'UNAUTHENTICATED', 'the session has ended; log in again')
    await this.#options.limit(request, session.user.id)
    noteCaller(request, session.user)
    // A stream asks again and again for its one request: it does not keep the session from being idle.
    if (session.isStale && !this.#counted.has(request)) await touchSession(this.#pool, id, staleSeconds)
    this.#counted.add(request)
    return { id, user: session.user }
  }

  list({ user }: Session): Promise<SessionRow[]> {
    return listSessions(this.#pool, user.id, this.#options.idleSeconds)
  }

  /** @returns false when the user has no such session */
  close({ user }: Session, sessionId: string, event: AccountEvent): Promise<boolean> {
    return closeSession(this.#pool, sessionId, user.id, event)
  }

  closeAll({ user }: Session, event: AccountEvent): Promise<void> {
    return closeAllSessions(this.#pool, user.id, event)
  }

  setCookie(request: FastifyRequest, reply: FastifyReply, token: string): void {
    const { cookie, ttlSeconds } = this.#options
    reply.setCookie(cookie.name, token, { ...this.#cookieOptions(request), maxAge: ttlSeconds })
  }

  clearCookie(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.#options.cookie.name, this.#cookieOptions(request))
  }

  #cookieOptions(request: FastifyRequest) {
    const { path, isSecure } = this.#options.cookie
    const secure = isSecure || request.protocol === 'https'
    return { path, httpOnly: true, sameSite: 'strict', secure } as const
  }

  #verify(token: string): string | undefined {
    try {
      const { jti } = this.#options.jwt.verify<{ jti?: unknown }>(token)
      return typeof jti === 'string' && SESSION_ID.test(jti) ? jti : undefined
    } catch {
      // Forged, expired or mangled: all of them are simply no session.
      return undefined
    }
  }

  /** What a program sends on purpose wins over what a browser sends by itself. */
  #readToken(request: FastifyRequest): { token: string; isCookie: boolean } | undefined {
    const [, bearer] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? []
    if (bearer !== undefined) return { token: bearer, isCookie: false }
    const cookie = request.cookies[this.#options.cookie.name]
    return cookie ? { token: cookie, isCookie: true } : undefined
  }
}
