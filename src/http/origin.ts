import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { HttpProblem } from './problems.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** Schemes that browsers add by themselves, also for pages of other sites. */
const AMBIENT_SCHEME = /^\s*(basic|digest|negotiate|ntlm)\b/i

export interface ForeignOrigins {
  /** Other origins whose pages may change things with a visitor's cookie. Default: none. */
  allowedOrigins?: readonly string[] | undefined
}

/**
 * Prevents cross-site request forgery: refuses changes for a page of another site that rely on credentials added by the
 * browser (cookie, Basic password, client certificate). A bearer token, or any header that needs a CORS preflight,
 * proves the page's right.
 *
 * @throws HttpProblem 403 `FOREIGN_ORIGIN`
 */
export function requireOwnOrigin(request: FastifyRequest, { allowedOrigins }: ForeignOrigins = {}): void {
  if (SAFE_METHODS.has(request.method) || !hasAmbientCredentials(request)) return
  refuseForeign(request, allowedOrigins)
}

/**
 * For a request authorized by a cookie, even if it has other credentials too.
 *
 * @param ownOrigin the only one that is not foreign. Default: that of the request's host
 * @throws HttpProblem 403 `FOREIGN_ORIGIN`
 */
export function requireOwnOriginOfCookie(request: FastifyRequest, ownOrigin?: string): void {
  if (!SAFE_METHODS.has(request.method)) refuseForeign(request, [], ownOrigin)
}

function refuseForeign(
  request: FastifyRequest,
  allowedOrigins: readonly string[] = [],
  ownOrigin?: string,
): void {
  if (!isForeign(request, ownOrigin) || allowedOrigins.includes(request.headers.origin ?? '')) return
  throw new HttpProblem(403, 'FOREIGN_ORIGIN', 'a page of another site may not do this with your cookie')
}

function hasAmbientCredentials({ headers, raw }: FastifyRequest): boolean {
  const { authorization = '', cookie } = headers
  if (authorization.trim() !== '') return AMBIENT_SCHEME.test(authorization)
  return cookie !== undefined || hasClientCertificate(raw)
}

function hasClientCertificate({ socket }: IncomingMessage): boolean {
  const { getPeerCertificate } = socket as { getPeerCertificate?: () => object | null }
  if (getPeerCertificate === undefined) return false
  return Object.keys(getPeerCertificate.call(socket) ?? {}).length > 0
}

/** Old browsers and plain HTTP send no Sec-Fetch-Site; programs send neither header. */
function isForeign({ headers, host }: FastifyRequest, ownOrigin: string | undefined): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  if (origin === undefined) return false
  if (ownOrigin !== undefined) return origin !== ownOrigin
  const scheme = /^https?:(?=\/\/)/i.exec(origin)?.[0]
  if (scheme === undefined || !URL.canParse(origin)) return true
  // Parsed too: implied ports, capitals and IPv6 have several spellings.
  const own = `${scheme}//${host}`
  return !URL.canParse(own) || new URL(own).host !== new URL(origin).host
}

/** Whether it is an origin as browsers write it: scheme, host and, if unusual, port. */
export function isOrigin(value: unknown): value is string {
  if (typeof value !== 'string' || value.includes('*') || !/^https?:/.test(value)) return false
  return URL.canParse(value) && new URL(value).origin === value
}
