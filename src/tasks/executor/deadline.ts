import { TaskError } from '../errors.ts'

/** Resolves when `done` does, or after `ms`. */
export async function within(ms: number, done: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([done, late])
  clearTimeout(timer)
}

/**
 * Resolves with `work`, unless the signal aborts first: a query on a dead connection may hang for longer than a stop may
 * take.
 *
 * @throws TaskError `SHUTTING_DOWN` at the signal
 */
export async function beforeAbort(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const tooLate = () =>
    reject(new TaskError('SHUTTING_DOWN', 'the database did not take the last writes in time'))
  // On a busy machine the deadline may have passed before there was anything to wait for.
  if (signal.aborted) tooLate()
  signal.addEventListener('abort', tooLate, { once: true })
  // The race's loser may still reject.
  work.catch(() => {})
  await Promise.race([work, late]).finally(() => signal.removeEventListener('abort', tooLate))
}
