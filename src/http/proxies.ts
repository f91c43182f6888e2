import type { FastifyInstance } from 'fastify'

/** Behind an untrusted proxy all clients have one address and share its rate limit. Logs once. */
export function warnOfProxies(app: FastifyInstance): void {
  let isLogged = false
  app.addHook('onRequest', async ({ headers, log }) => {
    if (isLogged || headers['x-forwarded-for'] === undefined) return
    isLogged = true
    log.warn(
      'a request has X-Forwarded-For, but TRUST_PROXY is false: behind a proxy all clients count as one address, and the ' +
        'failed log-ins of one keep out all. Set TRUST_PROXY to the number of proxies in front of this server, or to ' +
        'their addresses',
    )
  })
}
