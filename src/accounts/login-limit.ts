import { isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HttpProblem } from '../http/problems.ts'
import { QueueFull } from './bounded-queue.ts'

const MAX_FAILURES = 5
/** Of one address with whatever names; several people may share one. */
const MAX_FAILURES_OF_ADDRESS = 50
const WINDOW_MS = 60_000
/** By then the passwords that wait now have been hashed. */
const BUSY_SECONDS = 5

type Count = ReturnType<FastifyInstance['createRateLimit']>

/**
 * Stops guessing: after five failures for an address and a name, both wait until a minute has passed since the
 * first one; after fifty for an address, it waits with every name. Successes do not count. 5,000 counters are kept,
 * the latest ones (the plugin's bound).
 *
 * Attempts for one pair take turns. Otherwise a hundred guesses that arrive together would all be looked at
 * before the first one has failed. Those of one address with different names do not: the queue of the passwords
 * bounds how many of them can be on their way.
 */
export class LoginLimit {
  readonly #counts: readonly Count[]
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(app: FastifyInstance) {
    const count = (max: number, keyGenerator: (request: FastifyRequest) => string) =>
      app.createRateLimit({ max, timeWindow: WINDOW_MS, keyGenerator })
    this.#counts = [
      count(MAX_FAILURES_OF_ADDRESS, ({ ip }) => networkOf(ip)),
      count(MAX_FAILURES, (request) => keyOf(request, usernameOf(request))),
    ]
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
    for (const count of this.#counts) {
      const state = await count(request, { increment: false })
      if (!state.isAllowed && state.remaining === 0) {
        throw tooMany('TOO_MANY_FAILURES', 'too many failures', Math.max(1, state.ttlInSeconds))
      }
    }
    const answer = await check().catch((error: unknown) => {
      throw error instanceof QueueFull
        ? tooMany('TOO_MANY_LOGINS', 'too many log-ins at once', BUSY_SECONDS)
        : error
    })
    if (answer === undefined) await Promise.all(this.#counts.map((count) => count(request)))
    return answer
  }
}

function tooMany(code: string, what: string, seconds: number): HttpProblem {
  return new HttpProblem(429, code, `${what}; try again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  })
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
