import type { FastifyInstance } from 'fastify'

/** The path that a proxy removes from requests, without a slash at its end; empty: none. */
export function publicPath(publicUrl: URL | undefined): string {
  return publicUrl?.pathname.replace(/\/$/, '') ?? ''
}

/** Adds the path that a proxy removes from requests to each `Location` of this server. Nothing for a URL without a path. */
export function addPublicPath(app: FastifyInstance, publicUrl: URL | undefined): void {
  const path = publicPath(publicUrl)
  if (path === '') return
  app.addHook('onSend', async (_request, reply) => {
    const location = reply.getHeader('location')
    if (typeof location === 'string' && /^\/(?!\/)/.test(location)) reply.header('location', path + location)
  })
}
