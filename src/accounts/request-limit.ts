import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { HttpProblem } from '../http/problems.ts'
import { networkOf } from './network.ts'

const WINDOW_MS = 60_000
/** Many users may share an address. */
const USERS_OF_ADDRESS = 10

declare module 'fastify' {
  interface FastifyInstance {
    /** Counts a request of a user, once. @throws HttpProblem 429 `TOO_MANY_REQUESTS` */
    limitRequestsOf(request: FastifyRequest, userId: string): Promise<void>
  }
}

async function requestLimit(app: FastifyInstance, { perMinute }: { perMinute: number }): Promise<void> {
  await app.register(rateLimit, { global: false })
  const count = (max: number, keyGenerator: (request: FastifyRequest) => string) =>
    app.createRateLimit({ max, timeWindow: WINDOW_MS, keyGenerator })
  const ofAddress = count(perMinute * USERS_OF_ADDRESS, ({ ip }) => networkOf(ip))
  const userIds = new WeakMap<FastifyRequest, string>()
  const ofUser = count(perMinute, (request) => userIds.get(request) ?? '')

  app.addHook('onRequest', async (request) => {
    // Refusing these would restart a process that is only busy.
    if (request.routeOptions.url?.startsWith('/health/')) return
    requireRoom(await ofAddress(request), 'from this address')
  })
  app.decorate('limitRequestsOf', async (request: FastifyRequest, userId: string) => {
    // A stream asks again and again for its one request.
    if (userIds.has(request)) return
    userIds.set(request, userId)
    requireRoom(await ofUser(request), 'of this user')
  })
}

type State = Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>

function requireRoom(state: State, whose: string): void {
  if (state.isAllowed || !state.isExceeded) return
  const seconds = Math.max(1, state.ttlInSeconds)
  throw new HttpProblem(429, 'TOO_MANY_REQUESTS', `too many requests ${whose}; try again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  })
}

/** Limits the requests of a minute by user, and by address before anything is known of the user. */
export default fp(requestLimit, { name: 'request-limit', fastify: '5.x' })
