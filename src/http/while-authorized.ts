import type { FastifyRequest } from 'fastify'
import type { Reauthorize } from './authorize.ts'

/** A stream ends within 15 s of its session: what is left is for the check itself. */
const EVERY_MS = 10_000

/** Returns a signal that also aborts when the caller of this open stream may no longer read it. */
export function whileAuthorized(
  request: FastifyRequest,
  signal: AbortSignal,
  reauthorize: Reauthorize,
): AbortSignal {
  if (signal.aborted) return signal
  const refused = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const schedule = () => {
    timer = setTimeout(() => void check(), EVERY_MS)
  }
  const check = async () => {
    const isAuthorized = await reauthorize(request)
    if (signal.aborted) return
    if (isAuthorized) schedule()
    else refused.abort()
  }
  schedule()
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  return AbortSignal.any([signal, refused.signal])
}
