import { sql } from 'drizzle-orm'
import { boolean, check, integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/** The app's own tables. Those of the tasks are in the schema `jobs`, which drizzle-kit leaves alone. */
export const users = pgTable(
  'users',
  {
    id: uuid('id').primaryKey().defaultRandom(),
    email: text('email').notNull().unique(),
    tokenHash: text('token_hash').notNull().unique(),
    isStaff: boolean('is_staff').notNull().default(false),
    credit: integer('credit').notNull().default(100),
  },
  (table) => [check('credit_is_not_negative', sql`${table.credit} >= 0`)],
)

export const orders = pgTable('orders', {
  id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
  userId: uuid('user_id')
    .notNull()
    .references(() => users.id),
  item: text('item').notNull(),
  price: integer('price').notNull(),
  confirmedAt: timestamp('confirmed_at', { withTimezone: true }),
})
