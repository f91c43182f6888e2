import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Creates one task with a transaction, which a thread refuses, and one without. */
export default async function enqueuing(_params: unknown, ctx: TaskContext) {
  const tx = { query: async () => ({ rows: [] }) }
  const refusal = await ctx
    .createTask('child', {}, { tx })
    .catch(({ name, code, message }) => ({ name, code, message }))
  const { created } = await ctx.createTask('child', {}, { uniqueKey: 'child' })
  return { refusal, created }
}
