import { sql } from 'drizzle-orm'
import { check, index, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Who may log in to the bundled server. */
export const users = pgTable(
  'users',
  {
    id: text('id').primaryKey(),
    username: text('username').notNull().unique('users_username_key'),
    /** scrypt, with its parameters and salt. */
    passwordHash: text('password_hash').notNull(),
    role: text('role', { enum: ['admin', 'user'] })
      .notNull()
      .default('user'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [check('users_role_check', sql`${t.role} in ('admin', 'user')`)],
)

/** One row a log-in: a token is worth nothing once its row is gone. */
export const sessions = pgTable(
  'sessions',
  {
    /** The token's `jti`. */
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    expiresAt: instant('expires_at').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [
    // Ending all sessions of a user whose password changed, and the cascade.
    index('idx_sessions_user_id').on(t.userId),
    // Removing those that expired.
    index('idx_sessions_expires_at').on(t.expiresAt),
  ],
)
