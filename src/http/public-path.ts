import type { FastifyInstance } from 'fastify'

/** Adds the path that a proxy removes from requests to each `Location` of this server. Nothing for a URL without a path. */
export function addPublicPath(app: FastifyInstance, publicUrl: URL | undefined): void {
  const path = publicUrl?.pathname.replace(/\/$/, '') ?? ''
  if (path === '') return
  app.addHook('onSend', async (_request, reply) => {
    const location = reply.getHeader('location')
    if (typeof location === 'string' && /^\/(?!\/)/.test(location)) reply.header('location', path + location)
  })
}
