const PING_TIMEOUT_MS = 2_000

/** Pings the database with a time limit. Concurrent probes share a ping: a hanging one each would exhaust the pool. */
export function watchDatabase(ping: () => Promise<unknown>): () => Promise<string | undefined> {
  let open: Promise<string | undefined> | undefined
  const ask = () =>
    ping()
      .then(
        () => undefined,
        () => 'the database cannot be reached',
      )
      .finally(() => {
        open = undefined
      })
  return async () => {
    open ??= ask()
    const timeout = new AbortController()
    try {
      return await Promise.race([open, describeSilence(timeout.signal)])
    } finally {
      timeout.abort()
    }
  }
}

function describeSilence(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => resolve(`the database has not responded for ${PING_TIMEOUT_MS} ms`),
      PING_TIMEOUT_MS,
    )
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  })
}
