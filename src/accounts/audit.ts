import type { FastifyInstance, FastifyRequest } from 'fastify'
import type pg from 'pg'
import type { AuditAction } from '../contract/audit-views.ts'
import type { Actor } from '../engine/definition/actor.ts'
import { entriesValue, type NewAuditEntry, RECORD } from '../engine/store/audit.ts'
import { toProblem } from '../http/problems.ts'
import { described } from '../telemetry/described.ts'
import type { User } from './user.ts'

/** An entry of the audit about accounts. Subjects are users' names; passwords are in none. */
export type AccountEvent = NewAuditEntry
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

/** With the client of a transaction: if and only if that commits. */
export async function recordEvents(
  db: pg.Pool | pg.PoolClient,
  ...events: readonly AccountEvent[]
): Promise<void> {
  await db.query(RECORD.text, [entriesValue(events)])
}

/** Writes an entry for each refused change by a user, and logs all changes and log-ins of the scope. */
export function auditScope(app: FastifyInstance, pool: pg.Pool): void {
  const actionOf = ({ method, routeOptions: { url } }: FastifyRequest) =>
    ACTIONS[`${method} ${url?.slice(app.prefix.length)}`]
  app.addHook('onError', async (request, _reply, error) => {
    const action = actionOf(request)
    if (!action) return
    const { status, code } = toProblem(error)
    refusals.set(request, code)
    // Strangers must not fill the table; a wrong password is written by the log-in.
    if (!callers.has(request) || status >= 500) return
    const event = { actor: actorOf(request), action, subject: subjectOf(request), outcome: code }
    await recordEvents(pool, event).catch((failure: unknown) => {
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

/** The user whom a change is about: another one, or the caller. */
function subjectOf(request: FastifyRequest): string | null {
  const named = { ...(request.body as object | null | undefined), ...(request.params as object | undefined) }
  const { userId, username } = named as Record<string, unknown>
  const other = [userId, username].find((value) => typeof value === 'string')
  return other ?? callers.get(request)?.username ?? null
}
