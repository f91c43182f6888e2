import { z } from 'zod'
import { storableText } from './task.ts'

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
