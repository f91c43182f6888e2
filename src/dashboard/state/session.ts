import { HAS_LOGIN } from '../settings.ts'
import { Store } from './store.ts'

/** Holds the name of the person where the page has a log-in of its own. */
const LOGGED_IN = 'tasks.loggedIn'
const TOKEN = 'tasks.token'

/**
 * Nobody is asked about a session where nobody has logged in: a 401 would be an error in the browser's
 * console. Where the host logs people in, only the server knows.
 */
function firstGuess(): boolean {
  return !HAS_LOGIN || localStorage.getItem(LOGGED_IN) !== null
}

/** False: the page shows the log-in in place of itself, and its URL stays. */
export const session = new Store(firstGuess())

/** `lost` while requests do not reach the server; the next response makes it `ok`. */
export const connection = new Store<'ok' | 'lost'>('ok')

/** Who logged in on this page last; null where nobody has, or the host knows. */
let person = localStorage.getItem(LOGGED_IN)

export function beginSession(username: string): void {
  localStorage.setItem(LOGGED_IN, username)
  person = username
  session.set(true)
}

/** A token to try: in memory, until the server has accepted it. */
let tried: string | null = null
/** The last token that the server has accepted. */
let accepted: string | null = null

export function tryToken(token: string | null): void {
  tried = token
}

/** The server has accepted the token, or needs none. */
export function beginHostSession(token: string | null): void {
  tried = null
  accepted = token
  if (token !== null) sessionStorage.setItem(TOKEN, token)
  session.set(true)
}

export const wasAccepted = (token: string): boolean => token === accepted

let hasBeenIn = false
/** What the log-in before this one ended with; null: nobody was logged in. */
export function whatEnded(): 'token' | 'session' | null {
  if (accepted !== null) return 'token'
  return hasBeenIn ? 'session' : null
}

/** Of any response but 401. */
export function noteAccess(): void {
  hasBeenIn ||= session.value
}

/** The id of whom the server named last; null: it names nobody. */
let caller: string | null = null

/** Where the host logs people in, only the server's response shows who it is. */
export function noteCaller(id: string | null): void {
  caller = id
}

export const lastCaller = (): string | null => caller

export const lastPerson = (): string | null => person

/** Any 401 does this. */
export function forgetSession(): void {
  localStorage.removeItem(LOGGED_IN)
  // One of before a reload was accepted, too: no other is kept.
  accepted = sessionStorage.getItem(TOKEN) ?? accepted
  dropToken()
  session.set(false)
}

/**
 * A log-out begins: the next to log in is another person, even if a 401 of another request ends the session before the
 * log-out has returned. Returns what undoes it.
 */
export function forgetPerson(): () => void {
  const before = person
  person = null
  return () => {
    person = before
  }
}

/** A log-out has returned. */
export function leaveSession(): void {
  person = null
  forgetSession()
  hasBeenIn = false
  accepted = null
}

/** Before the host's own log-out. */
export function dropToken(): void {
  tried = null
  sessionStorage.removeItem(TOKEN)
}

/** For servers whose host gives out bearer tokens. Gone with the tab. */
export function bearerToken(): string | null {
  return tried ?? sessionStorage.getItem(TOKEN)
}
