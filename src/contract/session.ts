import { z } from 'zod'
import { storableText } from './task.ts'

/** What a caller may do: everything, read everything, or see and cancel its own tasks. */
export const ROLES = ['admin', 'viewer', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** Who is asking, as the host's `authorize` has said. */
export const callerView = z.object({
  id: z.string().nullable().describe('Null where the host guards the routes itself.'),
  name: z.string().nullable(),
  role: z
    .enum(ROLES)
    .describe('`viewer` reads everything and changes nothing; `owner` sees and cancels its own tasks.'),
})
export type CallerView = z.output<typeof callerView>

/** Who is logged in to the bundled server. */
export const userView = z.object({ id: z.string(), username: z.string(), role: z.enum(['admin', 'user']) })
export type UserView = z.output<typeof userView>

export const loginBody = z.strictObject({
  username: storableText.min(1).max(100),
  // Long enough for any password manager, short enough to hash.
  password: z.string().min(1).max(1_000),
})
export type Credentials = z.output<typeof loginBody>

export const sessionView = z.object({ token: z.string(), user: userView })
export type SessionView = z.output<typeof sessionView>
