import { HAS_LOGIN } from '../settings.ts'
import { Store } from './store.ts'

const LOGGED_IN = 'tasks.loggedIn'
const TOKEN = 'tasks.token'

/**
 * Nobody is asked about a session where nobody has logged in: the answer 401 would be an error in the browser's
 * console. Where the host logs people in, only the server knows.
 */
function firstGuess(): boolean {
  return !HAS_LOGIN || localStorage.getItem(LOGGED_IN) !== null
}

/** False: the page shows the log-in in place of itself, and its URL stays. */
export const session = new Store(firstGuess())

/** `lost` while requests do not get through to the server; whatever gets through says `ok`. */
export const connection = new Store<'ok' | 'lost'>('ok')

export function beginSession(token: string | null = null): void {
  if (token !== null) sessionStorage.setItem(TOKEN, token)
  if (HAS_LOGIN) localStorage.setItem(LOGGED_IN, 'yes')
  session.set(true)
}

/** Any answer 401 does this. */
export function forgetSession(): void {
  localStorage.removeItem(LOGGED_IN)
  sessionStorage.removeItem(TOKEN)
  session.set(false)
}

/** For servers whose host gives out bearer tokens. Gone with the tab. */
export function bearerToken(): string | null {
  return sessionStorage.getItem(TOKEN)
}
