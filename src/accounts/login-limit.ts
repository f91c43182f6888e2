import { isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HttpProblem } from '../http/problems.ts'

const MAX_FAILURES = 5
const WINDOW_MS = 60_000

/**
 * Stops guessing: after five failures for an address and a name, both wait until a minute has passed since the
 * first one. Successes do not count. 5,000 pairs are remembered, the latest ones (the plugin's bound).
 *
 * Attempts for one pair take turns. Otherwise a hundred guesses that arrive together would all be looked at
 * before the first one has failed.
 */
export class LoginLimit {
  readonly #count: ReturnType<FastifyInstance['createRateLimit']>
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(app: FastifyInstance) {
    this.#count = app.createRateLimit({
      max: MAX_FAILURES,
      timeWindow: WINDOW_MS,
      keyGenerator: (request) => keyOf(request, usernameOf(request)),
    })
  }

  /** @throws HttpProblem 429 instead of calling `check`; counts when `check` resolves to undefined */
  async attempt<T>(request: FastifyRequest, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const key = keyOf(request, usernameOf(request))
    const attempt = (this.#turns.get(key) ?? Promise.resolve()).then(() => this.#try(request, check))
    // The next in line does not care how this one ends; the caller does.
    const turn = attempt.catch(() => undefined)
    this.#turns.set(key, turn)
    try {
      return await attempt
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }

  async #try<T>(request: FastifyRequest, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const state = await this.#count(request, { increment: false })
    if (!state.isAllowed && state.remaining === 0) {
      const seconds = Math.max(1, state.ttlInSeconds)
      throw new HttpProblem(429, 'TOO_MANY_FAILURES', `too many failures; try again in ${seconds} s`, {
        headers: { 'retry-after': String(seconds) },
      })
    }
    const answer = await check()
    if (answer === undefined) await this.#count(request)
    return answer
  }
}

/** The route's schema has checked the body by now. */
function usernameOf(request: FastifyRequest): string {
  return (request.body as { username: string }).username
}

function keyOf({ ip }: FastifyRequest, username: string): string {
  return `${networkOf(ip)} ${username}`
}

/** An IPv6 customer has a /64 at least, so all of it is one address; IPv4 inside IPv6 stays apart. */
function networkOf(ip: string): string {
  if (!isIPv6(ip) || ip.includes('.')) return ip
  const [head = '', tail] = ip.split('::')
  const groups = head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - rest.length }, () => '0')
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':')
}
