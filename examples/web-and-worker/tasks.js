import { setTimeout as pause } from 'node:timers/promises'
import { task } from 'fastify-async-tasks'
import { z } from 'zod'

export const renderReport = task('render_report', {
  params: z.object({ year: z.int() }),
  timeoutSeconds: 600,
})(async ({ year }, ctx) => {
  for (let month = 1; month <= 12; month++) {
    await pause(50, undefined, { signal: ctx.signal }) // stands for the work
    ctx.progress(month, 12, `month ${month}`)
  }
  return { year, pages: 12 }
})

/** Options of both processes. They share tasks because they name the same schema of the same database. */
export const shared = {
  connectionString: process.env.DATABASE_URL,
  schema: 'jobs',
  tasks: [renderReport],
}
