import type { TaskContext } from '../../engine/definition/context.ts'
import type { SourceCall } from '../sources/source.ts'

/** Faults named in a warning. */
const MAX_NAMED_FAULTS = 20

/** A call of the source for a task: keeps what could not be read, and notes in the task's log. */
export interface TaskSourceCall extends SourceCall {
  readonly faults: readonly string[]
}

export function createCall(ctx: TaskContext, signal: AbortSignal = ctx.signal): TaskSourceCall {
  const faults: string[] = []
  return {
    signal,
    faults,
    fault: (problem) => faults.push(problem),
    note: (message) => ctx.log.info(message),
  }
}

/** Warns of the rows that could not be read, and names the first ones. */
export function warnOfFaults(ctx: TaskContext, what: string, faults: readonly string[]): void {
  if (faults.length === 0) return
  ctx.log.warn(`${what}: ${faults.length} rows are left out, the first: ${faults[0]}`, {
    faults: faults.slice(0, MAX_NAMED_FAULTS),
  })
}
