import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HttpProblem } from '../http/problems.ts'
import { QueueFull } from './bounded-queue.ts'
import { networkOf } from './network.ts'
import { hashName, TooManyGuesses } from './password-check.ts'

const MAX_FAILURES = 5
/** Of one address with any names; several people may share an address. */
const MAX_FAILURES_OF_ADDRESS = 50
const WINDOW_MS = 60_000
/** By then the passwords that wait now have been hashed. */
const BUSY_SECONDS = 5

type Count = ReturnType<FastifyInstance['createRateLimit']>

/**
 * Stops guessing from one address: after five failures for an address and a name, both wait until a minute has passed
 * since the first one; after fifty for an address, it waits with every name. Successes do not count. 5,000 counters are
 * kept, the latest ones (the plugin's bound). Guesses at one name from many addresses are the matter of `PasswordCheck`.
 *
 * Attempts for one pair take turns. Otherwise a hundred guesses that arrive together would all be checked before the
 * first one has failed. Those of one address with different names do not: the queue of the passwords serves addresses
 * in turn.
 */
export class LoginLimit {
  readonly #counts: readonly Count[]
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly #pairs = new WeakMap<FastifyRequest, string>()

  constructor(app: FastifyInstance) {
    const count = (max: number, keyGenerator: (request: FastifyRequest) => string) =>
      app.createRateLimit({ max, timeWindow: WINDOW_MS, keyGenerator })
    this.#counts = [
      count(MAX_FAILURES_OF_ADDRESS, ({ ip }) => networkOf(ip)),
      count(MAX_FAILURES, (request) => this.#pairs.get(request) ?? ''),
    ]
  }

  /** @throws HttpProblem 429 instead of calling `check`; counts when `check` resolves to undefined */
  async attempt<T>(
    request: FastifyRequest,
    username: string,
    check: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const key = `${networkOf(request.ip)} ${hashName(username)}`
    this.#pairs.set(request, key)
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
    const verdict = await check().catch((error: unknown) => {
      throw toLimitProblem(error)
    })
    if (verdict === undefined) await Promise.all(this.#counts.map((count) => count(request)))
    return verdict
  }
}

/** Other errors are returned as they are. */
export function toLimitProblem(error: unknown): unknown {
  if (error instanceof QueueFull) return tooMany('TOO_MANY_LOGINS', 'too many log-ins at once', BUSY_SECONDS)
  if (error instanceof TooManyGuesses) {
    return tooMany('TOO_MANY_FAILURES', 'too many failures for this name', error.retrySeconds)
  }
  return error
}

function tooMany(code: string, what: string, seconds: number): HttpProblem {
  return new HttpProblem(429, code, `${what}; try again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  })
}
