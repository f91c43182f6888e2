import { sql } from 'drizzle-orm'
import { boolean, check, index, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Who may log in to the bundled server. */
export const users = pgTable(
  'users',
  {
    id: text('id').primaryKey(),
    username: text('username').notNull().unique('users_username_key'),
    /** scrypt, with its parameters and salt. */
    passwordHash: text('password_hash').notNull(),
    /** `user`: logs in and may do nothing, such as a former admin. */
    role: text('role', { enum: ['admin', 'viewer', 'user'] })
      .notNull()
      .default('user'),
    disabled: boolean('disabled').notNull().default(false),
    /** The admin of ADMIN_USERNAME: there is one, and a start with another name makes it a user. */
    managed: boolean('managed').notNull().default(false),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (t) => [check('users_role_check', sql`${t.role} in ('admin', 'viewer', 'user')`)],
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
    /** Not exact: written at most once a minute. */
    lastUsedAt: instant('last_used_at').notNull().defaultNow(),
    /** Where the user logged in, to recognize the session by. */
    address: text('address'),
    userAgent: text('user_agent'),
  },
  (t) => [
    // Ending all sessions of a user whose password changed, and the cascade.
    index('idx_sessions_user_id').on(t.userId),
    // Removing those that expired.
    index('idx_sessions_expires_at').on(t.expiresAt),
  ],
)

/** Where users have logged in from: there, guesses of strangers do not slow them down. A few for each user. */
export const loginNetworks = pgTable(
  'login_networks',
  {
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** An IPv4 address or the /64 of an IPv6 address. */
    network: text('network').notNull(),
    lastLoginAt: instant('last_login_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.network] })],
)

/** How many guesses at a name, known or not, are taken. A row means nothing once its time has come. */
export const loginGuesses = pgTable(
  'login_guesses',
  {
    nameHash: text('name_hash').primaryKey(),
    /** When all guesses are free again, if none is made until then. */
    freeAt: instant('free_at').notNull(),
  },
  // Removing rows that mean nothing any more.
  (t) => [index('idx_login_guesses_free_at').on(t.freeAt)],
)
