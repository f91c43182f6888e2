import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../src/engine/definition/task-reference.ts'

/** Handlers with something to see: one that fails, one that never ends by itself, one with params of every kind. */
export function createDemoTasks(): AnyTask[] {
  const { task } = createTaskRegistry()
  return [
    task('send_invoice', { maxRetries: 0, params: z.object({ invoice: z.string() }) })(({ invoice }, ctx) => {
      ctx.progress(1, 3, 'rendering')
      ctx.log.info('rendering', { invoice })
      ctx.log.warn('no address on file', { invoice })
      throw withStack(new Error(`invoice ${invoice} has no address`))
    }),
    task('watch_inbox', { params: z.object({}) })(async (_params, ctx) => {
      ctx.progress(2, 5, 'listening')
      ctx.log.info('listening')
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    }),
    task('every_kind', {
      params: z.object({
        name: z.string().min(2).describe('At least two letters.'),
        size: z.int().min(1).max(10),
        ratio: z.number().optional(),
        mode: z.enum(['fast', 'safe']).default('safe'),
        day: z.iso.date().optional(),
        at: z.iso.datetime().optional(),
        dryRun: z.boolean().default(true),
        loud: z.boolean().optional(),
        comment: z.string().nullable(),
        tags: z.array(z.string()).default([]),
        numbers: z.array(z.int()).optional(),
        options: z.object({ depth: z.int() }).optional(),
      }),
    })((params) => params),
  ]
}

/** The same wherever the tests run: pictures show it. */
function withStack(error: Error): Error {
  error.stack = [
    `Error: ${error.message}`,
    '    at addressOf (file:///srv/shop/invoices/address.js:31:11)',
    '    at renderInvoice (file:///srv/shop/invoices/render.js:84:19)',
    '    at async sendInvoice (file:///srv/shop/tasks/send-invoice.js:17:3)',
  ].join('\n')
  return error
}
