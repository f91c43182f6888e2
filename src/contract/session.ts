import { z } from 'zod'
import { storableText } from './task.ts'

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
/** Who is asking, as the host's `authorize` has said. */
export interface CallerView {
  /** Id as text; null where the host guards the routes itself. */
  id: string | null
  /** A name to show; null: none. */
  name: string | null
  /** `admin` may do everything; `viewer` reads everything; `owner` sees and cancels its own tasks. */
  role: Role
}

export const userView = z.object({ id: z.string(), username: z.string(), role: z.enum(['admin', 'user']) })
/** A user of the bundled server. */
export interface UserView {
  /** Id as text. */
  id: string
  /** Name to log in with. */
  username: string
  /** `admin` uses the interface; `user` cannot. */
  role: 'admin' | 'user'
}

export const loginBody = z.strictObject({
  username: storableText.min(1).max(100),
  // Long enough for any password manager, short enough to hash.
  password: z.string().min(1).max(1_000),
})
/** What the bundled server's log-in takes. */
export interface Credentials {
  /** 1 … 100 characters. */
  username: string
  /** 1 … 1,000 characters. */
  password: string
}

export const sessionView = z.object({ token: z.string(), user: userView })
/** A new session of the bundled server. */
export interface SessionView {
  /** Bearer token for programs; browsers use the cookie. */
  token: string
  /** The user who has logged in. */
  user: UserView
}
