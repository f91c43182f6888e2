import { threadId } from 'node:worker_threads'
import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Speaks over every part of its context, and returns. */
export default async function polite(params: { name: string }, ctx: TaskContext) {
  ctx.progress(1, 4, 'first')
  ctx.log.info('hello', { name: params.name })
  ctx.log.warn('odd', { cycle: ctx })
  const child = await ctx.createTask('child', { of: ctx.taskId })
  ctx.progress(3)
  return { name: params.name, child: child.taskId, attempt: ctx.attempt, inThread: threadId > 0 }
}
