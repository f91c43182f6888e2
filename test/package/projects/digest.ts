import { createHash } from 'node:crypto'
import { isMainThread } from 'node:worker_threads'
import type { TaskContext } from 'fastify-async-tasks'

interface Params {
  text: string
  rounds: number
}

/** The handler that `threads.ts` names. */
export default async ({ text, rounds }: Params, ctx: TaskContext) => {
  const seed = await ctx.step('seed', () => text.toUpperCase())
  let digest: string = seed
  for (let round = 1; round <= rounds; round++) {
    ctx.signal.throwIfAborted()
    digest = createHash('sha256').update(digest).digest('hex')
  }
  ctx.progress(rounds, rounds, 'hashed')
  ctx.log.info('hashed', { rounds })
  return { digest, inThread: !isMainThread }
}
