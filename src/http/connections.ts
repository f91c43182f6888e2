import type { ServerOptions } from 'node:http'
import type { Server } from 'node:net'
import type { FastifyServerOptions } from 'fastify'

/** Bounds what one client can hold of the server, whether it sends slowly, reads slowly or only connects. */
export interface ConnectionLimits {
  /** To receive the headers of a request, from the connection or its last response on. */
  readonly headersTimeoutMs: number
  /** To receive a whole request. */
  readonly requestTimeoutMs: number
  /** Without a request. Longer than the minute of most proxies: they close first. */
  readonly keepAliveTimeoutMs: number
  /** Without a byte in either direction: a client that does not read its response. Streams have a limit of their own. */
  readonly idleTimeoutMs: number
  /** How often the first two are checked. */
  readonly checkEveryMs: number
  readonly maxRequestsPerConnection: number
  readonly maxConnections: number
}

const DEFAULTS: ConnectionLimits = {
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 72_000,
  idleTimeoutMs: 120_000,
  checkEveryMs: 5_000,
  maxRequestsPerConnection: 10_000,
  maxConnections: 5_000,
}

export function connectionOptions(limits: Partial<ConnectionLimits> = {}) {
  const all = { ...DEFAULTS, ...limits }
  return {
    requestTimeout: all.requestTimeoutMs,
    keepAliveTimeout: all.keepAliveTimeoutMs,
    connectionTimeout: all.idleTimeoutMs,
    maxRequestsPerSocket: all.maxRequestsPerConnection,
    http: {
      headersTimeout: all.headersTimeoutMs,
      requestTimeout: all.requestTimeoutMs,
      connectionsCheckingInterval: all.checkEveryMs,
    },
  } satisfies FastifyServerOptions & { http: ServerOptions }
}

/** Later connections are closed at once. */
export function limitConnections(
  server: Pick<Server, 'maxConnections'>,
  { maxConnections = DEFAULTS.maxConnections }: Partial<ConnectionLimits> = {},
): void {
  server.maxConnections = maxConnections
}
