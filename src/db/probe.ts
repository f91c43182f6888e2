import { within } from '../engine/runtime/timeouts.ts'

const PING_TIMEOUT_MS = 2_000

/** Pings the database with a time limit. Concurrent probes share a ping: a hanging one each would exhaust the pool. */
export function watchDatabase(ping: () => Promise<unknown>): () => Promise<string | undefined> {
  let open: Promise<{ problem: string | undefined }> | undefined
  const ask = () =>
    ping()
      .then(
        () => ({ problem: undefined }),
        () => ({ problem: 'the database cannot be reached' }),
      )
      .finally(() => {
        open = undefined
      })
  return async () => {
    open ??= ask()
    const answer = await within(PING_TIMEOUT_MS, open)
    return answer ? answer.problem : `the database has not responded for ${PING_TIMEOUT_MS} ms`
  }
}
