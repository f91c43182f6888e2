import type { FastifyInstance, FastifyRequest } from 'fastify'
import type pg from 'pg'
import type { AuditAction } from '../contract/audit-views.ts'
import { type Actor, toColumn } from '../engine/definition/actor.ts'
import { readText } from '../http/audit.ts'
import { toProblem } from '../http/problems.ts'
import { described } from '../telemetry/described.ts'
import { LimitedLogins } from './limited-logins.ts'
import { type AccountEvent, recordEvents } from './store/audit.ts'
import { findCredentials, findUser } from './store/users.ts'
import type { User } from './user.ts'

type Named = Pick<User, 'id' | 'username'>

/** Of the scopes below `/auth`. */
const ACTIONS: Readonly<Record<string, AuditAction>> = {
  'POST /login': 'user.login',
  'POST /logout': 'user.logout',
  'POST /password': 'user.password',
  'DELETE /sessions': 'session.end',
  'DELETE /sessions/:sessionId': 'session.end',
  'POST /users': 'user.create',
  'PATCH /users/:userId': 'user.update',
}

const callers = new WeakMap<FastifyRequest, Named>()
const refusals = new WeakMap<FastifyRequest, string>()

/** Names the user of a request, for its refusal and for the log. */
export function noteCaller(request: FastifyRequest, user: Named): void {
  callers.set(request, user)
}

/** Nobody has logged in: unknown. */
export function actorOf(request: FastifyRequest): Actor {
  const user = callers.get(request)
  return {
    id: user?.id ?? null,
    name: user?.username ?? null,
    requestId: request.id,
    address: request.ip,
  }
}

/** What users do with their own account. */
export function eventOf(request: FastifyRequest, action: AuditAction, user: Named): AccountEvent {
  noteCaller(request, user)
  return { actor: actorOf(request), action, subject: user.username, outcome: 'ok' }
}

/** An unknown name is not kept: it may be a password in the wrong field. */
export function refusedLogin(request: FastifyRequest, known: Named | undefined): AccountEvent {
  const subject = known?.username ?? null
  return { actor: actorOf(request), action: 'user.login', subject, outcome: 'INVALID_CREDENTIALS' }
}

/**
 * Writes an entry for each refused change by a user and for log-ins that a limit refuses, and logs all changes and
 * log-ins of the scope.
 */
export function auditScope(app: FastifyInstance, pool: pg.Pool): void {
  const limited = new LimitedLogins(app)
  const actionOf = (request: FastifyRequest) => findAction(app, request)
  app.addHook('onError', async (request, _reply, error) => {
    const action = actionOf(request)
    if (!action) return
    const { status, code } = toProblem(error)
    refusals.set(request, code)
    // Strangers must not fill the table; a wrong password is written by the log-in.
    const isLimited = action === 'user.login' && status === 429
    if (status >= 500 || !(isLimited ? await limited.hasEntry(request) : callers.has(request))) return
    await recordRefusal(pool, request, action, code).catch((failure: unknown) => {
      request.log.error(described(failure), 'a refused change could not be written to the audit')
    })
  })
  app.addHook('onResponse', async (request) => {
    const action = actionOf(request)
    if (!action) return
    const { id: userId, address } = actorOf(request)
    const outcome = refusals.get(request) ?? 'ok'
    request.log.info({ audit: true, userId, address, action, outcome }, 'change audited')
  })
}

function findAction(app: FastifyInstance, request: FastifyRequest): AuditAction | undefined {
  const { method, routeOptions, body } = request
  const action = ACTIONS[`${method} ${routeOptions.url?.slice(app.prefix.length)}`]
  return action === 'user.update' && readText(body, 'password') !== undefined ? 'user.password' : action
}

async function recordRefusal(
  pool: pg.Pool,
  request: FastifyRequest,
  action: AuditAction,
  outcome: string,
): Promise<void> {
  const subject = await findSubject(pool, request, action)
  await recordEvents(pool, { actor: actorOf(request), action, subject, outcome })
}

/** The name of the user whom a change is about: another one, or the caller. Of a log-in only a name that somebody has. */
async function findSubject(
  pool: pg.Pool,
  request: FastifyRequest,
  action: AuditAction,
): Promise<string | null> {
  const username = toColumn(readText(request.body, 'username'))
  if (action === 'user.login')
    return username === null ? null : ((await findCredentials(pool, username))?.username ?? null)
  const userId = toColumn(readText(request.params, 'userId'))
  if (userId !== null) return (await findUser(pool, userId))?.username ?? userId
  return username ?? callers.get(request)?.username ?? null
}
