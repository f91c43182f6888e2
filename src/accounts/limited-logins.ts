import type { FastifyInstance, FastifyRequest } from 'fastify'
import { networkOf } from './network.ts'

const WINDOW_MS = 10 * 60_000
/** From all addresses, in a process. */
const MAX_ENTRIES = 100

type Count = ReturnType<FastifyInstance['createRateLimit']>

/**
 * Which of the log-ins that a limit refuses have an entry in the audit: in ten minutes the first one of each address, and
 * a hundred of all addresses. The others have a log line only: their sender could fill the table.
 */
export class LimitedLogins {
  readonly #ofAddress: Count
  readonly #ofAll: Count

  constructor(app: FastifyInstance) {
    const count = (max: number, keyGenerator: (request: FastifyRequest) => string) =>
      app.createRateLimit({ max, timeWindow: WINDOW_MS, keyGenerator })
    this.#ofAddress = count(1, ({ ip }) => networkOf(ip))
    this.#ofAll = count(MAX_ENTRIES, () => '')
  }

  async hasEntry(request: FastifyRequest): Promise<boolean> {
    return hasRoom(await this.#ofAddress(request)) && hasRoom(await this.#ofAll(request))
  }
}

function hasRoom(state: Awaited<ReturnType<Count>>): boolean {
  return state.isAllowed || !state.isExceeded
}
