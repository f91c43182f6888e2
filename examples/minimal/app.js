import { setTimeout as pause } from 'node:timers/promises'
import Fastify from 'fastify'
import asyncTasks, { task } from 'fastify-async-tasks'
import { z } from 'zod'

const resizeAlbum = task('resize_album', {
  params: z.object({ photos: z.int().positive().max(1_000) }),
})(async ({ photos }, ctx) => {
  for (let photo = 1; photo <= photos; photo++) {
    await pause(100, undefined, { signal: ctx.signal }) // stands for the work
    ctx.progress(photo, photos, `photo ${photo}`)
  }
  ctx.log.info('resized', { photos })
  return { photos }
})

const { ADMIN_TOKEN, DATABASE_URL, PORT } = process.env
const app = Fastify({ logger: true })

await app.register(asyncTasks, {
  connectionString: DATABASE_URL,
  tasks: [resizeAlbum],
  authorize({ headers }) {
    if (ADMIN_TOKEN && headers.authorization === `Bearer ${ADMIN_TOKEN}`) return { id: 'admin' }
  },
  dashboard: true,
})

app.post('/albums', async (_request, reply) => {
  const { taskId } = await app.tasks.createTask(resizeAlbum, { photos: 20 })
  return reply.code(202).send({ taskId })
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close())
await app.listen({ port: Number(PORT ?? 3000) })
