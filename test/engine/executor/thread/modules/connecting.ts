import { once } from 'node:events'
import { connect } from 'node:net'
import type { TaskContext } from '../../../../../src/engine/definition/context.ts'

/** Leaves a connection behind, which lasts as long as its thread. */
export default async function connecting(
  { port, untilAbort }: { port: number; untilAbort: boolean },
  ctx: TaskContext,
) {
  await once(connect(port, '127.0.0.1'), 'connect')
  if (untilAbort) await once(ctx.signal, 'abort')
}
