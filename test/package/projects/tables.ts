import { boolean, pgTable, serial, text } from 'drizzle-orm/pg-core'

/** The shop's own tables, which its drizzle-kit creates. */
export const orders = pgTable('orders', {
  id: serial('id').primaryKey(),
  item: text('item').notNull(),
  taskId: text('task_id'),
  isPacked: boolean('is_packed').notNull().default(false),
})
