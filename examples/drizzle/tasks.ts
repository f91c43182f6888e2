import { eq, sql } from 'drizzle-orm'
import { task } from 'fastify-async-tasks'
import { z } from 'zod'
import { db } from './db.ts'
import { orders } from './schema.ts'

export const confirmOrder = task('confirm_order', {
  params: z.object({ orderId: z.int() }),
  maxRetries: 5,
})(async ({ orderId }, ctx) => {
  const confirmed = { confirmedAt: sql`now()` }
  // The row and the step are one commit: the order is confirmed exactly once, even after a crash.
  await ctx.step('confirm', (tx) => tx.update(orders).set(confirmed).where(eq(orders.id, orderId)), {
    tx: db,
  })
  ctx.log.info('confirmed', { orderId })
})

export const writeStatement = task('write_statement', {
  params: z.object({ userId: z.uuid() }),
})(async ({ userId }) => {
  const bought = await db.select({ price: orders.price }).from(orders).where(eq(orders.userId, userId))
  return { orders: bought.length, total: bought.reduce((sum, { price }) => sum + price, 0) }
})
