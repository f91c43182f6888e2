/** A unit with what the source gave for it, or why it gave nothing. */
export type FetchOutcome<Unit, Fetched> =
  | { readonly unit: Unit; readonly fetched: Fetched }
  | { readonly unit: Unit; readonly error: unknown }

/**
 * Fetches one unit ahead of the one being written, so that source and database work at the same time and no more
 * than two units are held in memory. Leaving the loop early stops the fetch that is under way.
 */
export async function* fetchAhead<Unit, Fetched>(
  units: readonly Unit[],
  fetch: (unit: Unit, signal: AbortSignal) => Promise<Fetched>,
  signal: AbortSignal,
): AsyncGenerator<FetchOutcome<Unit, Fetched>> {
  const left = new AbortController()
  const either = AbortSignal.any([signal, left.signal])
  // An outcome never rejects: there may be no listener when the loop is left.
  const start = async (unit: Unit): Promise<FetchOutcome<Unit, Fetched>> => {
    try {
      return { unit, fetched: await fetch(unit, either) }
    } catch (error) {
      return { unit, error }
    }
  }

  const queue = units[Symbol.iterator]()
  const startNext = () => {
    const next = queue.next()
    return next.done ? undefined : start(next.value)
  }
  let current = startNext()
  try {
    while (current) {
      const outcome: FetchOutcome<Unit, Fetched> = await current
      signal.throwIfAborted()
      current = startNext()
      yield outcome
    }
  } finally {
    left.abort()
    await current
  }
}
