import { z } from 'zod'
import { instant, storableText } from './task.ts'

/** What a caller may do: everything, read everything, or see and cancel its own tasks. */
export type Role = 'admin' | 'viewer' | 'owner'
export const ROLES = ['admin', 'viewer', 'owner'] as const satisfies readonly Role[]

export const callerView = z.object({
  id: z.string().nullable().describe('Null where the host guards the routes itself.'),
  name: z.string().nullable(),
  role: z
    .enum(ROLES)
    .describe('`viewer` reads everything and changes nothing; `owner` sees and cancels its own tasks.'),
})
/** Who is asking, as the host's `authorize` returned it. */
export interface CallerView {
  /** Id as text; null where the host guards the routes itself. */
  id: string | null
  /** A name to show; null: none. */
  name: string | null
  /** `admin` may do everything; `viewer` reads everything; `owner` sees and cancels its own tasks. */
  role: Role
}

export const userView = z.object({
  id: z.string(),
  username: z.string(),
  role: z.enum(['admin', 'viewer', 'user']),
})
/** A user of the bundled server. */
export interface UserView {
  /** Id as text. */
  id: string
  /** Name to log in with. */
  username: string
  /** `admin` may do everything; `viewer` reads everything; `user`, such as a former administrator, may do nothing. */
  role: 'admin' | 'viewer' | 'user'
}

export const accountView = userView.extend({
  disabled: z.boolean().describe('A disabled user cannot log in and has no sessions.'),
  managed: z.boolean().describe('The administrator that `ADMIN_USERNAME` names.'),
  createdAt: instant,
  sessions: z.int().describe('Number of open sessions.'),
})
/** A user of the bundled server, as administrators see it. */
export interface AccountView extends UserView {
  /** A disabled user cannot log in and has no sessions. */
  disabled: boolean
  /** True of the administrator that `ADMIN_USERNAME` names. */
  managed: boolean
  /** When the user was added. */
  createdAt: Date
  /** Number of open sessions. */
  sessions: number
}

export const openSessionView = z.object({
  id: z.string(),
  createdAt: instant,
  lastUsedAt: instant.describe('Up to a minute old.'),
  expiresAt: instant.describe('If there is no request until then.'),
  address: z.string().nullable().describe('Address of the log-in.'),
  userAgent: z.string().nullable().describe('Browser or program of the log-in.'),
  current: z.boolean().describe('The session of this request.'),
})
/** An open session of the caller in the bundled server. */
export interface OpenSessionView {
  /** Ends it with `DELETE /auth/sessions/{id}`; not the token. */
  id: string
  /** When the user logged in. */
  createdAt: Date
  /** Up to a minute old. */
  lastUsedAt: Date
  /** When it ends if there is no request until then. */
  expiresAt: Date
  /** Address of the log-in; null: unknown. */
  address: string | null
  /** Browser or program of the log-in; null: unknown. */
  userAgent: string | null
  /** True of the session of this request. */
  current: boolean
}

/** Long enough for any password manager, short enough to hash. */
export const MAX_PASSWORD_CHARS = 1_000
const password = z.string().min(1).max(MAX_PASSWORD_CHARS)

const username = storableText
  .min(1)
  .max(100)
  .refine((name) => name.trim() !== '', 'must not be blank')
/** The roles that users are given. */
export const GIVEN_ROLES = ['admin', 'viewer'] as const

export const loginBody = z.strictObject({ username: storableText.min(1).max(100), password })
/** What the bundled server's log-in takes. */
export interface Credentials {
  /** 1 … 100 characters. */
  username: string
  /** 1 … 1,000 characters. */
  password: string
}

export const passwordChangeBody = z.strictObject({ current: password, next: password })
/** A change of the caller's own password in the bundled server. */
export interface PasswordChange {
  /** The password until now. */
  current: string
  /** 12 … 1,000 characters; not the user's name, and not easily guessed. */
  next: string
}

export const newUserBody = z.strictObject({ username, password, role: z.enum(GIVEN_ROLES) })
/** A new user of the bundled server. */
export interface NewUser {
  /** 1 … 100 characters. */
  username: string
  /** 12 … 1,000 characters; not the user's name, and not easily guessed. */
  password: string
  /** `admin` may do everything; `viewer` reads everything and changes nothing. */
  role: 'admin' | 'viewer'
}

export const userChangeBody = newUserBody
  .extend({ disabled: z.boolean() })
  .partial()
  .refine(
    (change) => Object.keys(change).length > 0,
    'expected object with something to change: username, password, role or disabled',
  )
/** A change of a user. What is left out stays. */
export interface UserChange {
  /** 1 … 100 characters. */
  username?: string
  /** 12 … 1,000 characters. Ends the user's sessions. */
  password?: string
  /** Applies to open sessions, too. */
  role?: 'admin' | 'viewer'
  /** True ends the user's sessions and refuses log-ins. */
  disabled?: boolean
}

export const sessionView = z.object({ token: z.string(), user: userView })
/** A new session of the bundled server. */
export interface SessionView {
  /** Bearer token for programs; browsers use the cookie. */
  token: string
  /** The user who has logged in. */
  user: UserView
}
