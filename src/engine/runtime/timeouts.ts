import { TaskError } from '../definition/errors.ts'

const ABORT_AT = 0.8
const RELEASE_AT = 0.92

/** The last writes take as long in a short stop. */
const LAST_WRITES_MS = 500
const EARLIEST_RELEASE_AT = 0.83

/** A stop without any time still releases its tasks. */
const MIN_STOP_MS = 500

export interface StopTimes {
  readonly abortMs: number
  readonly releaseMs: number
  readonly giveUpMs: number
}

export function stopTimes(shutdownTimeoutMs: number): StopTimes {
  const releaseMs = Math.min(shutdownTimeoutMs * RELEASE_AT, shutdownTimeoutMs - LAST_WRITES_MS)
  return {
    abortMs: shutdownTimeoutMs * ABORT_AT,
    releaseMs: Math.max(shutdownTimeoutMs * EARLIEST_RELEASE_AT, releaseMs),
    giveUpMs: Math.max(shutdownTimeoutMs, MIN_STOP_MS),
  }
}

/** Undefined if the work takes longer; what it throws later is dropped. */
export function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), ms)
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** A query on a dead connection may hang. @throws TaskError `SHUTTING_DOWN` at the signal */
export async function beforeAbort(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const tooLate = () =>
    reject(new TaskError('SHUTTING_DOWN', 'the database did not take the last writes in time'))
  if (signal.aborted) tooLate()
  signal.addEventListener('abort', tooLate, { once: true })
  work.catch(() => {})
  await Promise.race([work, late]).finally(() => signal.removeEventListener('abort', tooLate))
}
