import { Store } from './store.ts'

export type Session = 'unknown' | 'in' | 'out'

/** Any answer 401 says `out`; the page then shows the log-in in place of itself, and its URL stays. */
export const session = new Store<Session>('unknown')

/** `lost` while requests do not get through to the server; whatever gets through says `ok`. */
export const connection = new Store<'ok' | 'lost'>('ok')

const TOKEN = 'tasks.token'

/** For servers whose host gives out bearer tokens. Gone with the tab. */
export function bearerToken(): string | null {
  return sessionStorage.getItem(TOKEN)
}

export function keepBearerToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(TOKEN)
  else sessionStorage.setItem(TOKEN, token)
}
