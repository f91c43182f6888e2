import { createTaskRegistry } from 'fastify-async-tasks'
import { z } from 'zod'

const { task } = createTaskRegistry()

/** Opened by the test: until then an import is half done. */
export const shelf = Promise.withResolvers<void>()

export const importBooks = task('import_books', { params: z.object({ url: z.url() }) })(
  async ({ url }, ctx) => {
    ctx.log.info('importing', { url })
    ctx.progress(1, 2, 'half of them')
    await shelf.promise
    return { books: 42, at: new Date(0) }
  },
)

export const remind = task('remind', { params: z.object({ text: z.string() }) })(({ text }) => text.length)
