import { publicPath } from '../http/public-path.ts'

const NAME = 'async_tasks_session'

export interface SessionCookie {
  readonly name: string
  readonly path: string
  /** Never sent over plain HTTP. Otherwise as the log-in came: `Secure` over HTTPS. */
  readonly isSecure: boolean
}

/**
 * Browsers guarantee of `__Host-` that no other host, subdomains included, has set the cookie; it needs the path `/`.
 * Where the server shares its host with others, a path keeps the cookie from them, and `__Secure-` is left.
 *
 * @param publicUrl the server's address for browsers
 * @param prefix of the admin routes
 */
export function sessionCookie(publicUrl: URL | undefined, prefix: string): SessionCookie {
  const base = publicPath(publicUrl)
  if (publicUrl?.protocol !== 'https:') return { name: NAME, path: `${base}${prefix}`, isSecure: false }
  return base === ''
    ? { name: `__Host-${NAME}`, path: '/', isSecure: true }
    : { name: `__Secure-${NAME}`, path: `${base}${prefix}`, isSecure: true }
}
