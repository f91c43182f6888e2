import type { TaskContext } from '../../src/index.ts'

/** The module of the page on handlers: its default export runs in a thread. */
export default async function resize(params: { path: string; width: number }, ctx: TaskContext) {
  ctx.log.info('resizing', { path: params.path })
  return { bytes: params.width * 3 }
}
