function readMeta(name: string): string {
  const found = document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content
  if (found === undefined) throw new Error(`index.html has no <meta name="${name}">`)
  return found
}

/** Without a slash at its end. The server sets it, relative to this page. */
export const API = new URL(readMeta('tasks-api'), document.baseURI).href.replace(/\/$/, '')

/** Whether the interface has a log-in of its own, or the host's decides who gets in. */
export const HAS_LOGIN = readMeta('tasks-login') === 'password'

/** The host's title and links; empty where it sets none. The server has checked that the addresses are some. */
export const TITLE = readMeta('tasks-title')
export const ENVIRONMENT = readMeta('tasks-environment')
export const LOGOUT_URL = readMeta('tasks-logout-url')
export const HOME_URL = readMeta('tasks-home-url')
const LOGIN_URL = readMeta('tasks-login-url')

/** The host's log-in, with the way back where it takes one; empty where the host names none. */
export function loginHref(): string {
  const [address = '', query] = LOGIN_URL.split(/\?(.*)/s)
  if (query === undefined) return LOGIN_URL
  const isOwn = new URL(address, location.origin).origin === location.origin
  const back = `${isOwn ? '' : location.origin}${location.pathname}${location.search}`
  return `${address}?${query.replaceAll('{returnTo}', encodeURIComponent(back))}`
}
