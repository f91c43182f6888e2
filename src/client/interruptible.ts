/** A generator whose `return` ends it at once, also while it waits for its next value. `signal` ends it with its reason. */
export function interruptible<T>(
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const controller = new AbortController()
  const follow = () => controller.abort(signal?.reason)
  if (signal?.aborted) follow()
  signal?.addEventListener('abort', follow, { once: true })
  const inner = run(controller.signal)
  const { next, return: end } = inner
  let returned = false

  return Object.assign(inner, {
    async next() {
      try {
        const result = await next.call(inner)
        if (result.done) signal?.removeEventListener('abort', follow)
        return result
      } catch (error) {
        signal?.removeEventListener('abort', follow)
        if (returned) return { done: true as const, value: undefined }
        throw error
      }
    },
    async return() {
      returned = true
      signal?.removeEventListener('abort', follow)
      controller.abort()
      // A value that is waited for is given up: what the abort makes it throw has been asked for.
      await end.call(inner).catch(() => {})
      return { done: true as const, value: undefined }
    },
  })
}
