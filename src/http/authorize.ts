import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MAX_USER_ID_CHARS } from '../contract/requests.ts'
import { type CallerView, ROLES, type Role } from '../contract/session.ts'
import { storableText } from '../contract/task.ts'
import type { Actor } from '../engine/definition/actor.ts'
import { type ForeignOrigins, requireOwnOrigin } from './origin.ts'
import { HttpProblem, INTERNAL_DETAIL, toProblem } from './problems.ts'

/** The caller of a request. Tasks store the id of the caller that created them. */
export interface Asker {
  /** A non-blank string of 1 to 200 characters, a positive safe integer, or a positive bigint. */
  id: string | number | bigint
  /** Shown to the caller by `GET /me`. Default: none. */
  name?: string | null
  /**
   * `admin` does everything. `viewer` reads everything and changes nothing (403 `READ_ONLY`). `owner` sees and cancels the
   * tasks whose `createdBy` is its id, and nothing else. Default `admin`, where the object has no such property; any
   * other value, `undefined` included, is a fault of the host: such requests get 500.
   */
  role?: Role
}

/**
 * Returns the caller; returns nothing (401), or throws an error with `statusCode` 401 or 403, to refuse the request. Called
 * again every 10 s for each open event stream, which ends when the caller is refused.
 */
export type Authorize = (request: FastifyRequest) => MaybeAsker | Promise<MaybeAsker>
type MaybeAsker = Asker | null | undefined

export interface GuardOptions extends ForeignOrigins {
  /** False only where the host already guards the prefix. */
  authorize: Authorize | false
}

const CALLER = 'asyncTasksCaller'
const ACTOR = 'asyncTasksActor'
const callerId = storableText.max(MAX_USER_ID_CHARS)
const EXPECTED_ROLES = ROLES.map((role) => `'${role}'`).join(', ')

export type Caller = CallerView & { readonly id: string }

/** `status`: 401 without a valid id; 500 for an invalid role, which is the host's mistake. */
interface Fault {
  readonly fault: string | undefined
  readonly expected: string
  readonly status: 401 | 500
}

/** Whether an open stream may go on: its caller is still the same, with the same role. */
export type Reauthorize = (request: FastifyRequest) => Promise<boolean>

/** Authorizes everything in this scope, its 404s included. */
export function guard(app: FastifyInstance, { authorize, allowedOrigins }: GuardOptions): Reauthorize {
  app.decorateRequest(CALLER, null)
  app.decorateRequest(ACTOR, null)
  app.addHook('onRequest', async (request) => requireOwnOrigin(request, { allowedOrigins }))
  if (authorize === false) {
    app.addHook('onRequest', async (request) => {
      requirePlainPath(request)
      request.setDecorator(ACTOR, toActor(request, { id: null, name: null }))
    })
    return async () => true
  }
  const logged = new Set<string>()
  app.addHook('onRequest', async (request, reply) => {
    const result = readCaller(await authorize(request))
    if ('role' in result) {
      request.setDecorator(CALLER, result)
      request.setDecorator(ACTOR, toActor(request, result))
      // All later lines of the request name the user.
      request.log = reply.log = request.log.child({ userId: result.id })
      return
    }
    const { fault, expected, status } = result
    if (fault !== undefined && !logged.has(fault)) {
      logged.add(fault)
      request.log.warn(
        `authorize returned ${fault}; expected ${expected}. Such requests get ${status}; this is logged once.`,
      )
    }
    if (status === 401) throw new HttpProblem(401, 'UNAUTHENTICATED', 'log in first')
    throw new HttpProblem(500, 'INTERNAL', INTERNAL_DETAIL, { isLogged: true })
  })
  return (request) => reauthorize(request, authorize)
}

async function reauthorize(request: FastifyRequest, authorize: Authorize): Promise<boolean> {
  try {
    const before = findCaller(request)
    const now = readCaller(await authorize(request))
    return 'role' in now && now.id === before?.id && now.role === before.role
  } catch (error) {
    // Not known during an outage, for example: the next check decides, or the end of the stream's life.
    const { status } = toProblem(error)
    return status !== 401 && status !== 403
  }
}

/** The caller; null where the host guards the routes itself: every visitor is an admin. */
export function findCaller(request: FastifyRequest): Caller | null {
  return request.getDecorator<Caller | null>(CALLER)
}

/** The caller as the actor of changes, one object for each request; null before the request is authorized. */
export function findActor(request: FastifyRequest): Actor | null {
  return request.getDecorator<Actor | null>(ACTOR)
}

/** Of a request that is authorized, as in its handler. */
export function actorOf(request: FastifyRequest): { actor: Actor } {
  const actor = findActor(request)
  if (!actor) throw new Error('the request is not authorized')
  return { actor }
}

function toActor(request: FastifyRequest, { id, name }: Pick<CallerView, 'id' | 'name'>): Actor {
  // A host's `genReqId` may return a number, as in Fastify's docs.
  const requestId: unknown = request.id
  return { id, name, requestId: requestId === undefined ? null : String(requestId), address: request.ip }
}

export function findCallerId(request: FastifyRequest): string | null {
  return findCaller(request)?.id ?? null
}

/** Accepts any value, since a host's JavaScript may return any. A fault never contains the value, which may be a secret. */
function readCaller(asker: unknown): Caller | Fault {
  const noId = (fault: string | undefined): Fault => ({
    fault,
    expected: '{ id } with a text of 1 to 200 characters or a positive whole number',
    status: 401,
  })
  // Usual for no user, as in `(request) => request.user`.
  if (asker === undefined || asker === null) return noId(undefined)
  if (typeof asker !== 'object') return noId(`a ${typeof asker} instead of an object`)
  const id = readProperty(asker, 'id')
  if (id === THROWS) return noId('an object whose id throws')
  const fault = findFault(id)
  if (fault !== undefined) return noId(`an id that ${fault}`)
  // Undefined is no default: a role that was looked up and not found must not make an admin.
  const role = hasRole(asker) ? readProperty(asker, 'role') : DEFAULT_ROLE
  if (!isRole(role)) {
    const expected = `the role ${EXPECTED_ROLES} or no property of this name`
    return { fault: `a role that ${describeRole(role)}`, expected, status: 500 }
  }
  const name = readProperty(asker, 'name')
  return { id: String(id), name: typeof name === 'string' ? name : null, role }
}

const THROWS = Symbol('throws')
const DEFAULT_ROLE: Role = 'admin'

function readProperty(asker: object, name: string): unknown {
  try {
    return (asker as Record<string, unknown>)[name]
  } catch {
    // A getter's error may hold a secret.
    return THROWS
  }
}

function hasRole(asker: object): boolean {
  try {
    return 'role' in asker
  } catch {
    // A proxy's trap: reading it throws, too, or returns what is checked.
    return true
  }
}

function describeRole(role: unknown): string {
  if (role === THROWS) return 'throws'
  if (typeof role === 'string') return 'is unknown'
  if (role === null || role === undefined) return `is ${role}`
  return typeof role === 'object' ? 'is an object' : `is a ${typeof role}`
}

function isRole(role: unknown): role is Role {
  return ROLES.some((known) => known === role)
}

function findFault(id: unknown): string | undefined {
  switch (typeof id) {
    case 'string':
      if (!/[^\s\p{C}]/u.test(id)) return 'is empty'
      return callerId.safeParse(id).success ? undefined : 'is longer than 200 characters or cannot be stored'
    case 'number':
      return Number.isSafeInteger(id) && id > 0 ? undefined : 'is no positive whole number'
    case 'bigint':
      if (id <= 0n) return 'is no positive whole number'
      return String(id).length <= 200 ? undefined : 'is longer than 200 digits'
    case 'object':
      if (id instanceof Promise) return 'is a promise (is an await missing?)'
      return id === null ? 'is null' : 'is an object'
    case 'undefined':
      return 'is missing'
    default:
      return `is a ${typeof id}`
  }
}

/**
 * Serves only paths written as registered: the router decodes, so `/%61pi/admin` would pass a host's guard that
 * compares `request.url` with the prefix.
 */
function requirePlainPath({ url, routeOptions, is404 }: FastifyRequest): void {
  if (is404 || routeOptions.url === undefined) return
  const given = segmentsOf(url)
  const registered = segmentsOf(routeOptions.url)
  const isPlain =
    given.length === registered.length &&
    registered.every((segment, index) => segment.includes(':') || isSame(segment, given[index]))
  if (!isPlain) throw new HttpProblem(404, 'NOT_FOUND', 'write the path as it is registered, unescaped')
}

function segmentsOf(url: string): string[] {
  const [path = ''] = url.split(/[?#]/, 1)
  return path.replace(/(?<=.)\/$/, '').split('/')
}

/** A prefix with letters that URLs escape is always escaped. */
function isSame(registered: string, given: string | undefined): boolean {
  return given === registered || given === encodeURI(registered)
}
