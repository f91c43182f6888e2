import { onAbort } from './patience.ts'

const DONE = { done: true, value: undefined } as const

/** A generator whose `return` ends it at once, also while it waits for its next value. `signal` ends it with its reason. */
export function interruptible<T, Options extends { signal?: AbortSignal | undefined }>(
  options: Options,
  run: (options: Options & { signal: AbortSignal }) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const controller = new AbortController()
  const leave = onAbort(options.signal, (reason) => controller.abort(reason))
  const inner = run({ ...options, signal: controller.signal })
  const { next, return: end } = inner
  let isReturned = false
  return Object.assign(inner, {
    async next() {
      const result = await next.call(inner).catch((error: unknown) => {
        leave()
        if (!isReturned) throw error
        return DONE
      })
      if (result.done) leave()
      return result
    },
    async return() {
      isReturned = true
      leave()
      controller.abort()
      // A value that is waited for is given up: what the abort makes it throw has been asked for.
      await end.call(inner).catch(() => {})
      return DONE
    },
  })
}
