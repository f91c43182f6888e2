import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Logs an error in each way, and throws several at once. */
export default function logging(_params: unknown, ctx: TaskContext): never {
  const err = new TypeError('b')
  ctx.log.warn('fields last', { err })
  ctx.log.warn({ err }, 'fields first')
  ctx.log.warn(err)
  throw new AggregateError([new Error('a'), err], 'all of them')
}
