import type { TaskContext } from '../../engine/definition/context.ts'
import { PermanentError } from '../../engine/definition/errors.ts'
import { fetchAhead } from './fetch-ahead.ts'

/** So many failures in a row are the source's, not the units'. */
const MAX_CONSECUTIVE_FAILURES = 10
/** Errors named in the message of an attempt that failed. */
const MAX_NAMED_FAILURES = 20
/** Tasks of at least so many units log every tenth. */
const MIN_UNITS_TO_LOG = 20

export interface UnitWork<Unit, Fetched> {
  /** What a unit is called, in the plural: `trading days`. */
  readonly noun: string
  /** Still to do, in order. */
  readonly units: readonly Unit[]
  /** Units that need nothing: finished by an earlier attempt, or complete before. */
  readonly done: number
  readonly nameOf: (unit: Unit) => string
  readonly fetch: (unit: Unit, signal: AbortSignal) => Promise<Fetched>
  /** Commits the unit. */
  readonly write: (unit: Unit, fetched: Fetched) => Promise<void>
}

/**
 * Works through units one by one, each committed on its own, reporting progress in units.
 *
 * A unit that the source fails to give is logged and left out; the others go on. Any such unit fails the attempt in
 * the end, so that the task's next attempt does the missing ones: the finished ones are marked. What no repetition
 * cures (`PermanentError`), a lost fence and a database that is away end the attempt at once, and so does a source
 * that fails ten times in a row.
 */
export async function runUnits<Unit, Fetched>(
  ctx: TaskContext,
  work: UnitWork<Unit, Fetched>,
): Promise<void> {
  const total = work.done + work.units.length
  const failures: { name: string; error: unknown }[] = []
  let done = work.done
  let consecutive = 0
  ctx.progress(done, total)
  for await (const outcome of fetchAhead(work.units, work.fetch, ctx.signal)) {
    const name = work.nameOf(outcome.unit)
    if ('error' in outcome) {
      if (outcome.error instanceof PermanentError) throw outcome.error
      failures.push({ name, error: outcome.error })
      consecutive += 1
      ctx.log.warn(`${name}: ${messageOf(outcome.error)}`)
      if (consecutive === MAX_CONSECUTIVE_FAILURES) break
      continue
    }
    await work.write(outcome.unit, outcome.fetched)
    consecutive = 0
    done += 1
    ctx.progress(done, total, name)
    logTenths(ctx, work.noun, done, total)
  }
  if (failures.length > 0) throw describeFailures(failures, total, work.noun)
}

function logTenths(ctx: TaskContext, noun: string, done: number, total: number): void {
  const tenth = (count: number) => Math.floor((10 * count) / total)
  if (total >= MIN_UNITS_TO_LOG && done < total && tenth(done) > tenth(done - 1)) {
    ctx.log.info(`${done} of ${total} ${noun} done`)
  }
}

function describeFailures(
  failures: readonly { name: string; error: unknown }[],
  total: number,
  noun: string,
): Error {
  const named = failures
    .slice(0, MAX_NAMED_FAILURES)
    .map(({ name, error }) => `${name} (${messageOf(error)})`)
    .join('; ')
  const unnamed = failures.length - MAX_NAMED_FAILURES
  const rest = unnamed > 0 ? `; and ${unnamed} more` : ''
  // No cause: the engine would add its message once more.
  return new Error(`${failures.length} of ${total} ${noun} failed: ${named}${rest}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
