import type { FastifyInstance, FastifyRequest } from 'fastify'
import { storableText } from '../contract/task.ts'
import { type ForeignOrigins, requireOwnOrigin } from './origin.ts'
import { HttpProblem } from './problems.ts'

/** The caller of a request. Tasks store the id of the caller that created them. */
export interface Asker {
  /** A non-blank string of 1 to 200 characters, a positive safe integer, or a positive bigint. */
  id: string | number | bigint
}

/** Returns the caller; returns nothing (401), or throws an error with `statusCode` 401 or 403, to refuse the request. */
export type Authorize = (request: FastifyRequest) => MaybeAsker | Promise<MaybeAsker>
type MaybeAsker = Asker | null | undefined

export interface GuardOptions extends ForeignOrigins {
  /** False only where the host already guards the prefix. */
  authorize: Authorize | false
}

const ASKER = 'asyncTasksAsker'
const askerText = storableText.max(200)

/** Requires the host's consent for everything in this scope, its 404s included. */
export function guard(app: FastifyInstance, { authorize, allowedOrigins }: GuardOptions): void {
  app.decorateRequest(ASKER, null)
  app.addHook('onRequest', async (request) => requireOwnOrigin(request, { allowedOrigins }))
  if (authorize === false) {
    app.addHook('onRequest', async (request) => requirePlainPath(request))
    return
  }
  const logged = new Set<string>()
  app.addHook('onRequest', async (request) => {
    const answer = readAsker(await authorize(request))
    if ('id' in answer) return request.setDecorator(ASKER, answer.id)
    const { fault } = answer
    if (fault !== undefined && !logged.has(fault)) {
      logged.add(fault)
      request.log.warn(
        `authorize returned ${fault}; expected { id } with a text of 1 to 200 characters or a positive whole number. ` +
          'Such requests get 401; this is logged once.',
      )
    }
    throw new HttpProblem(401, 'UNAUTHENTICATED', 'log in first')
  })
}

/** The asker's id; null where the host guards the routes by itself. */
export function findAskerId(request: FastifyRequest): string | null {
  return request.getDecorator<string | null>(ASKER)
}

/** A host's JavaScript may return anything. The fault names a kind, never the value, which may be a secret. */
function readAsker(asker: unknown): { id: string } | { fault: string | undefined } {
  // The ordinary way to say that no user is logged in, as in `(request) => request.user`.
  if (asker === undefined || asker === null) return { fault: undefined }
  if (typeof asker !== 'object') return { fault: `a ${typeof asker} instead of an object` }
  let id: unknown
  try {
    id = (asker as { id?: unknown }).id
  } catch {
    return { fault: 'an object whose id throws' }
  }
  const fault = findFault(id)
  return fault === undefined ? { id: String(id) } : { fault: `an id that ${fault}` }
}

function findFault(id: unknown): string | undefined {
  switch (typeof id) {
    case 'string':
      if (!/[^\s\p{C}]/u.test(id)) return 'is empty'
      return askerText.safeParse(id).success ? undefined : 'is longer than 200 characters or cannot be stored'
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
 * A host's guard may compare `request.url` with the prefix, but the router decodes before it matches: `/%61pi/admin` and
 * `http://x/api/admin` would pass such a guard and still arrive here. So only a path written as it was registered is served.
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

/** A prefix of letters that URLs escape is always escaped. */
function isSame(registered: string, given: string | undefined): boolean {
  return given === registered || given === encodeURI(registered)
}
