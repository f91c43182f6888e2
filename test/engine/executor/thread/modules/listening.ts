import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Stops when it is told to, and says why. */
export default async function listening(_params: unknown, ctx: TaskContext) {
  ctx.log.info('listening')
  await new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve()))
  throw ctx.signal.reason
}
